/** The table of settings as text for a terminal and as Markdown for the README. Pure. */

import type { SettingLine } from '../lib/settings.ts'

/** For `liburna config --help`. @param file whose settings they are */
export function settingsHelp (lines: readonly SettingLine[], file = 'node.yaml'): string {
  const widest = Math.max(...lines.map(line => line.name.length))
  const rows = lines.map(line => `  ${line.name.padEnd(widest)}  ${line.meaning}\n  ${''.padEnd(widest)}  (${line.kind}; ${defaultOf(line)})`)
  return `Settings of ${file}:\n\n${rows.join('\n')}\n`
}

/** For the README. */
export function settingsMarkdown (lines: readonly SettingLine[]): string {
  const rows = lines.map(line => `| \`${line.name}\` | ${cell(line.kind)} | ${line.default === 'required' ? 'required' : `\`${cell(line.default)}\``} | ${cell(line.meaning)} |`)
  return ['| setting | kind | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

function defaultOf (line: SettingLine): string {
  return line.default === 'required' ? 'required' : `default ${line.default}`
}

function cell (text: string): string {
  return text.replaceAll('|', '\\|')
}
