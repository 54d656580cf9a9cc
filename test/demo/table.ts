/** The table that the demo is about. */

/** One thing that was tried. */
export interface Row {
  /** `west/front` or what else acts. */
  readonly who: string
  /** The address that was dialled, or what was done. */
  readonly what: string
  /** What that address is. */
  readonly whom: string
  readonly expected: string
  readonly observed: string
  /** The rule that decided and the reason, as the flow record tells. */
  readonly why: string
}

const columns = [['who', 'who'], ['what', 'dials, or does'], ['whom', 'which is'], ['expected', 'expected'], ['observed', 'observed'], ['why', 'decided by']] as const

export function isExpected ({ expected, observed }: Row): boolean {
  return expected === observed
}

export function allExpected (rows: readonly Row[]): boolean {
  return rows.length > 0 && rows.every(isExpected)
}

export function printTable (rows: readonly Row[]): void {
  const width = new Map(columns.map(([key, title]) => [key, Math.max(title.length, ...rows.map(row => row[key].length))]))
  const line = (cells: readonly string[], mark: string): string => `${mark} ${cells.map((cell, i) => cell.padEnd(width.get(columns[i]?.[0] ?? 'who') ?? 0)).join('  ')}`.trimEnd()
  console.log(`\n${line(columns.map(([, title]) => title), ' ')}`)
  console.log(line(columns.map(([key]) => '-'.repeat(width.get(key) ?? 0)), ' '))
  for (const row of rows) console.log(line(columns.map(([key]) => row[key]), isExpected(row) ? '✓' : '✗'))
  const wrong = rows.filter(row => !isExpected(row)).length
  console.log(`\n${rows.length} rows, ${wrong === 0 ? 'all as expected' : `${wrong} NOT as expected`}.`)
}
