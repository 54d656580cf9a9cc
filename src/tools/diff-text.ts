/** A difference for people: as a table for a terminal, as Markdown for a pull request. */

import { describeCrowd } from './crowd.ts'
import { formatRanges } from './ports.ts'
import { counted, formatMarkdownTable, formatTable, markdownCell, printable } from './table.ts'
import type { DiffAnswer, DiffExample } from './diff.ts'

const head = ['CHANGE', 'FROM', 'TO', 'PORTS', 'BEFORE, AFTER']
/** Groups that are told in Markdown; a comment of more is read by nobody, and hosts refuse very long ones. */
const mostInMarkdown = 100

export function diffText (diff: DiffAnswer): string {
  const workloads = [...diff.added.map(name => `new workload: ${name}`), ...diff.removed.map(name => `removed workload: ${name}`)]
  return [...workloads.map(line => `${printable(line)}\n`), diff.groups.length === 0 ? '' : formatTable(head, rowsOf(diff)), `${summary(diff)}\n`].join('')
}

/** One heading, one table; safe to post as it is. */
export function diffMarkdown (diff: DiffAnswer): string {
  const lines = [`### Network policy: ${summary(diff)}\n`]
  if (diff.added.length > 0) lines.push(`New workloads: ${diff.added.map(markdownCell).join(', ')}\n`)
  if (diff.removed.length > 0) lines.push(`Removed workloads: ${diff.removed.map(markdownCell).join(', ')}\n`)
  const rows = rowsOf(diff)
  if (rows.length > 0) lines.push(formatMarkdownTable(['', 'from', 'to', 'ports', 'before, after'], rows.slice(0, mostInMarkdown)))
  if (rows.length > mostInMarkdown) lines.push(`and ${rows.length - mostInMarkdown} more groups\n`)
  return lines.join('\n')
}

function summary ({ pairs: { opened, closed }, groups }: DiffAnswer): string {
  return groups.length === 0 ? 'nothing opens or closes' : `${counted(opened, 'pair opens', 'pairs open')}, ${counted(closed, 'pair closes', 'pairs close')}`
}

function rowsOf ({ raw, groups, parties }: DiffAnswer): string[][] {
  return raw.map(({ change, sources, destinations, ports }, i) => {
    const example = groups[i]?.example
    return [change, describeCrowd(sources, parties, destinations), describeCrowd(destinations, parties), formatRanges(ports), example === undefined ? '' : whyText(example)]
  })
}

function whyText ({ before, after }: DiffExample): string {
  return `${before}; ${after}`
}
