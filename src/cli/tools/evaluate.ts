/** `liburna evaluate`: documents of manifests and flows in, one line a flow out. */

import { messageOf } from '../../lib/error.ts'
import { evaluateDocument, formatTable, jsonDocuments, ToolError } from '../../tools/index.ts'
import { exitCodes } from '../exit-code.ts'
import { addContextOptions, contextOf, outputOption } from './options.ts'
import type { Command } from 'commander'
import type { Evaluation, FlowLine, InvalidLine } from '../../tools/index.ts'
import type { ExitCode } from '../exit-code.ts'
import type { ContextOptions } from './options.ts'
import type { ToolParts } from './parts.ts'

interface EvaluateOptions extends ContextOptions {
  readonly input: string
  readonly keepGoing: boolean
  readonly output: 'json' | 'table'
}

const help = `
The input is one JSON document, or several after each other, such as one a line:

  {"manifests": [KUBERNETES OBJECTS], "flows": [{"source": ENDPOINT, "destination": ENDPOINT, "protocol": "TCP", "port": 80}]}

ENDPOINT is {"namespace", "name", "labels", "namespaceLabels", "serviceAccount", "ip", "ports": [{"name", "port", "protocol"}],
"hostNetwork", "nodeLabels", "cluster", "trustDomain", "images"}, all of them optional, or {"external": "IP", "fqdn": "NAME"}.

Example:

  $ echo '{"manifests": [], "flows": [{"source": {"external": "203.0.113.7"}, "destination": {"namespace": "shop"}, "port": 80}]}' \\
      | liburna evaluate --input -

Exit codes: 0 every flow was judged, whatever the verdicts; 2 the input is wrong, or a manifest is invalid and --keep-going
was not given: the invalid manifests are listed and nothing after them is judged.`

export function addEvaluate (root: Command, parts: ToolParts, end: (code: ExitCode) => void): void {
  addContextOptions(root.command('evaluate')
    .description('judge many flows: JSON documents of manifests and flows in, one JSON line a flow out, in order')
    .requiredOption('-i, --input <file>', 'where the documents are; - is standard input')
    .option('-k, --keep-going', 'judge also beside invalid manifests, which keep their subjects closed', false)
    .addOption(outputOption('json', 'table')), { believing: true })
    .addHelpText('after', help)
    .action(async (options: EvaluateOptions) => { end(await evaluate(options, parts)) })
}

async function evaluate (options: EvaluateOptions, parts: ToolParts): Promise<ExitCode> {
  const context = contextOf(options, parts)
  let documents = 0
  for await (const { value, line } of jsonDocuments(parts.read(options.input))) {
    documents++
    const { invalid, flows } = at(line, () => evaluateDocument(value, context))
    const stops = invalid.length > 0 && !options.keepGoing
    await write(invalid, stops ? [] : flows, options.output, parts)
    if (stops) return exitCodes.wrongInput
  }
  if (documents === 0) throw new ToolError(`${options.input}: there is no document`, { code: 'input-invalid' })
  return exitCodes.ok
}

function at (line: number, run: () => Evaluation): Evaluation {
  try {
    return run()
  } catch (error) {
    if (error instanceof ToolError) throw new ToolError(`document on line ${line}: ${messageOf(error)}`, { code: error.code })
    throw error
  }
}

/** Lines that are written at once; more would only wait in memory. */
const mostLines = 1000

async function write (invalid: readonly InvalidLine[], flows: Iterable<FlowLine>, output: EvaluateOptions['output'], parts: ToolParts): Promise<void> {
  if (output === 'table') { await parts.write(table(invalid, [...flows])); return }
  let lines = invalid.length === 0 ? [] : [JSON.stringify({ invalid })]
  for (const flow of flows) {
    lines.push(JSON.stringify(flow))
    if (lines.length < mostLines) continue
    await parts.write(`${lines.join('\n')}\n`)
    lines = []
  }
  if (lines.length > 0) await parts.write(`${lines.join('\n')}\n`)
}

function table (invalid: readonly InvalidLine[], flows: readonly FlowLine[]): string {
  const problems = invalid.map(({ kind, namespace, name, path, reason }) => ['invalid', kind, `${namespace}/${name}`, path, reason])
  const rows = flows.map(({ allowed, egress, ingress }, i) => [String(i), allowed ? 'allowed' : 'denied', `${egress.verdict}: ${egress.decidedBy}`, `${ingress.verdict}: ${ingress.decidedBy}`])
  return `${problems.length === 0 ? '' : formatTable(['', 'KIND', 'NAME', 'PATH', 'REASON'], problems)}${formatTable(['FLOW', 'VERDICT', 'EGRESS', 'INGRESS'], rows)}`
}
