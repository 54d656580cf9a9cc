/** Results as text: Markdown tables that line up in a terminal too. Pure. */

import { advantage, figureNames, figures } from './figures.ts'
import type { GoalOutcome } from './goals.ts'
import type { FigureName } from './figures.ts'
import type { Results, Value } from './results.ts'

/** One row for each variant: median, ± half the range in percent, `!` when a sample is doubtful. */
export function resultsTable (results: Results): string {
  const names = measured(results)
  return textTable(
    ['', ...names.map(name => `${figures[name].title}, ${figures[name].unit}`)],
    Object.entries(results).map(([variant, values]) => [variant, ...names.map(name => cell(name, values[name]))]),
  )
}

/** How much better each variant is than `than`; above 1 is better, whichever way the figure counts. */
export function ratiosTable (results: Results, than: string): string {
  const base = results[than]
  if (base === undefined) return ''
  const names = measured({ [than]: base })
  return textTable(
    [`× ${than}`, ...names.map(name => figures[name].title)],
    Object.entries(results).filter(([variant]) => variant !== than).map(([variant, values]) => [variant, ...names.map(name => ratio(name, values[name], base[name]))]),
  )
}

export function goalsTable (outcomes: readonly GoalOutcome[]): string {
  return textTable(
    ['figure', 'variant', 'against', 'to reach', 'reached', ''],
    outcomes.map(({ goal, reached, spread, state, best }) => [goal.figure, goal.variant, goal.against === 'limit' ? figures[goal.figure].unit : best ?? goal.against.join(', '),
      `${goal.against === 'limit' ? 'below ' : ''}${goal.reach}`, reached === undefined ? '' : `${reached.toFixed(2)}${spreadText(spread)}`, state]),
  )
}

function measured (results: Results): readonly FigureName[] {
  return figureNames.filter(name => Object.values(results).some(values => values[name] !== undefined))
}

function cell (name: FigureName, value: Value | undefined): string {
  if (value === undefined) return ''
  return `${value.median.toFixed(figures[name].digits)}${spreadText(value.spread)}${value.doubtful ? ' !' : ''}`
}

/** Of one round there is none. */
function spreadText (spread: number): string {
  return spread > 0 ? ` ±${Math.round(spread * 100)}%` : ''
}

function ratio (name: FigureName, value: Value | undefined, base: Value | undefined): string {
  return value === undefined || base === undefined ? '' : advantage(name, value.median, base.median).toFixed(2)
}

/** A Markdown table; the first column is aligned to the left. */
export function textTable (head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map(row => (row[column] ?? '').length), 3))
  const line = (row: readonly string[]): string => `| ${widths.map((width, column) => pad(row[column] ?? '', width, column)).join(' | ')} |`
  const rule = `|${widths.map((width, column) => column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

function pad (text: string, width: number, column: number): string {
  return column === 0 ? text.padEnd(width) : text.padStart(width)
}
