/** `liburna doctor`: what the kernel and the tools of this machine can do, and what happens without it. Pure. */

import type { CommandReport } from './program.ts'

/** A probed feature, as `sys` tells it. */
export interface ProbedFeature {
  readonly name: string
  readonly works: boolean
  readonly detail: string
  readonly purpose: string
  readonly fallback: string
}

/** The table, and whether everything is there that has no fallback. */
export function doctorReport (features: readonly ProbedFeature[]): CommandReport {
  const widest = Math.max(...features.map(({ name }) => name.length))
  const rows = features.map(({ name, works, detail, purpose, fallback }) => {
    const head = `${works ? 'yes' : 'NO '}  ${name.padEnd(widest)}  ${purpose}`
    return works ? `${head} (${detail})` : `${head}\n${' '.repeat(widest + 7)}${detail}\n${' '.repeat(widest + 7)}instead: ${fallback}`
  })
  const missing = features.filter(({ works, fallback }) => !works && fallback.startsWith('none'))
  const verdict = missing.length === 0 ? 'liburna can run here' : `liburna cannot run here: ${missing.map(({ name }) => name).join(', ')}`
  return { ok: missing.length === 0, text: `${rows.join('\n')}\n\n${verdict}\n` }
}
