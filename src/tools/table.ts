/** Tables for a terminal and for Markdown. */

/** Columns are as wide as their widest cell; the last one is not padded. Without rows only the head. */
export function formatTable (head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map(row => row.map(printable))
  const widths = head.map((_, i) => all.reduce((most, row) => Math.max(most, row[i]?.length ?? 0), 0))
  return all.map(row => row.map((cell, i) => i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd()).map(line => `${line}\n`).join('')
}

/** As GitHub and GitLab show it. */
export function formatMarkdownTable (head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.map(markdownCell).join(' | ')} |\n`).join('')
}

/** What came from manifests and records must not steer a terminal. */
export function printable (text: string): string {
  return text.replace(/[\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]/g, '\uFFFD')
}

/** Manifests are a stranger's in a pull request: nothing of theirs becomes markup. */
export function markdownCell (text: string): string {
  return printable(text).replace(/[\\`*_[\]<>|#!&~]/g, mark => `\\${mark}`)
}

/** `1 workload`, `2 workloads`. */
export function counted (count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
