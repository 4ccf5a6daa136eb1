import type { Sql } from '../../src/db/sql.ts'

/** The schema `public` as SQL-like text, in an order that depends on names alone. */
export async function describeSchema(sql: Sql): Promise<string> {
  const rows = await sql.query<{ table: string; lines: string[]; indexes: string[]; options: string | null }>(`
    select c.relname as table,
           array_to_string(c.reloptions, ', ') as options,
           array(select format('%I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                               case when a.attnotnull then ' not null' else '' end,
                               coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''))
                   from pg_attribute as a
                   left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                  order by a.attnum)
             || array(select format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid))
                        from pg_constraint as k
                       where k.conrelid = c.oid and k.contype <> 'n'
                       order by k.conname) as lines,
           array(select pg_get_indexdef(i.indexrelid)
                   from pg_index as i
                   left join pg_constraint as k on k.conindid = i.indexrelid and k.conrelid = c.oid
                  where i.indrelid = c.oid and k.oid is null
                  order by pg_get_indexdef(i.indexrelid)) as indexes
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = 'public' and c.relkind = 'r'
     order by c.relname
     limit 1000`)
  return rows.map((row) => [tableText(row), ...row.indexes.map((index) => `${index};\n`)].join('')).join('\n')
}

function tableText(row: { table: string; lines: string[]; options: string | null }): string {
  const options = row.options === null ? '' : ` with (${row.options})`
  return `create table ${row.table} (\n  ${row.lines.join(',\n  ')}\n)${options};\n`
}
