/** Commands of a page for people, to be run as they stand there. */

import { readFileSync } from 'node:fs'

export interface Step {
  /** For a shell; with its here-document. */
  readonly command: string
  /** What the page says of it: `works`, `refused`, or nothing, which is to work. */
  readonly remark: string
}

/** The commands in the first block of a section, in their order. */
export function stepsIn (page: URL, section: string): readonly Step[] {
  const [, text = ''] = readFileSync(page, 'utf8').split(`\n## ${section}\n`)
  const [, block = ''] = /```\n([^]*?)\n```/.exec(text) ?? []
  const steps: Step[] = []
  const lines = block.split('\n')
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, command = '', remark = ''] = /^(.*?)(?:\s+# (.*))?$/.exec(line) ?? []
    const [, end] = /<<(\w+)/.exec(command) ?? []
    steps.push({ command: end === undefined ? command : [command, ...lines.splice(0, lines.indexOf(end) + 1)].join('\n'), remark })
  }
  return steps
}
