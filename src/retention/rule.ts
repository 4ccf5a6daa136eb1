/*
 * The rule of a source in SQL: `h` is its head, `s` the source, `p` its project, `m` one of its messages, and the
 * parameter the age in hours that holds where nobody gave a rule, null for unlimited.
 */

/** `r`: the bounds that hold for the source, each null where it is unlimited. */
export function ruleLateral(defaultMaxAgeHours: string): string {
  return `
   cross join lateral (
     select (j.rule ->> 'maxMessages')::bigint as max_messages,
            (j.rule ->> 'maxBytes')::bigint    as max_bytes,
            (j.rule ->> 'maxAgeHours')::bigint as max_age_hours
       from (select coalesce(nullif(s.retention, 'null'), nullif(p.retention, 'null'),
                             jsonb_build_object('maxAgeHours', ${defaultMaxAgeHours})) as rule) as j) as r`
}

/**
 * Whether the message stays. True for all that follow one for which it is true, since each bound rises with the
 * sequence: number, bytes up to here, and time of receipt (but for milliseconds). Ages are compared as seconds, because
 * a date of so long ago may be none that the database can count. The length of a body is known without reading it.
 */
export const keepsMessage = `
       coalesce(h.last_sequence - m.sequence < r.max_messages, true)
   and coalesce(h.log_bytes - m.log_bytes + octet_length(m.body) <= r.max_bytes, true)
   and coalesce(extract(epoch from now() - m.received_at) <= r.max_age_hours * 3600, true)`
