import { settings } from './settings.ts'

const helpWidth = 100

/**
 * Prints what every variable means and defaults to.
 *
 * @param format `text` for a terminal of 100 columns, `markdown` for the README.
 */
export function settingsTable(format: 'text' | 'markdown'): string {
  return format === 'markdown' ? markdownTable() : textTable()
}

function markdownTable(): string {
  const rows = Object.values(settings).map(
    ({ variable, fallbackText, description }) => `| \`${variable}\` | ${fallbackText} | ${description} |`,
  )
  return ['| Variable | Default | Meaning |', '|---|---|---|', ...rows, ''].join('\n')
}

function textTable(): string {
  const rows = Object.values(settings)
  const nameWidth = Math.max(...rows.map(({ variable }) => variable.length)) + 2
  const indent = ' '.repeat(nameWidth + 2)
  return rows
    .map(({ variable, fallbackText, description }) => {
      const lines = wrap(`${description} Default: ${fallbackText}.`, helpWidth - indent.length)
      return `  ${variable.padEnd(nameWidth)}${lines.join(`\n${indent}`)}\n`
    })
    .join('')
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
