/** The options that the tools share, and what becomes of them. */

import { InvalidArgumentError, Option } from 'commander'
import { defaultExcludedLabels } from '../../identity/index.ts'
import { defaultHome } from '../../tools/index.ts'
import { isTrustDomain } from '../../model/spiffe-id.ts'
import type { Command } from 'commander'
import type { ClusterName } from '../../policy/index.ts'
import type { ToolContext } from '../../tools/index.ts'
import type { ToolParts } from './parts.ts'

export interface ContextOptions {
  readonly cluster?: string
  readonly trustDomain: string
  readonly sameness: readonly ClusterName[]
  readonly unsignedLabel: readonly string[]
  readonly at?: number
}

/** `believing`: every label counts as signed unless the command line says otherwise. */
export function addContextOptions (command: Command, { believing = false } = {}): Command {
  const unsigned: readonly string[] = believing ? [] : defaultExcludedLabels
  return command
    .option('--cluster <name>', 'the cluster that the policies are about, and of workloads that name none (default: every cluster)')
    .addOption(new Option('--trust-domain <name>', 'trust domain of workloads that name none').default(defaultHome.trustDomain).argParser(trustDomain))
    .addOption(new Option('--sameness <trust-domain/cluster>', 'a cluster whose pods match selectors as if they were of the own one; may be repeated')
      .default([], 'none').argParser(sameness))
    .addOption(new Option('--unsigned-label <key>', 'a label that certificates do not carry; may be repeated')
      .default(unsigned, believing ? 'none' : 'as the agent')
      .argParser((key: string, before: readonly string[]) => before === unsigned ? [key] : [...before, key]))
    .addOption(new Option('--at <time>', 'the time that is asked about, such as 2026-11-23T18:00:00Z').argParser(time))
}

export function contextOf ({ cluster, trustDomain, sameness, unsignedLabel, at }: ContextOptions, parts: ToolParts): ToolContext {
  return { home: { cluster: cluster ?? defaultHome.cluster, trustDomain }, homeOnly: cluster !== undefined, sameness, unsignedLabels: unsignedLabel, nowMs: at ?? parts.nowMs() }
}

export function outputOption (...formats: readonly string[]): Option {
  return new Option('-o, --output <format>', 'how the result is written').choices(formats).default(formats[0])
}

function trustDomain (text: string): string {
  if (!isTrustDomain(text)) throw new InvalidArgumentError('A trust domain is 1 to 255 lower case letters, digits, ".", "-" or "_".')
  return text
}

function sameness (text: string, before: readonly ClusterName[]): ClusterName[] {
  const [name = '', cluster = '', ...rest] = text.split('/')
  if (!isTrustDomain(name) || cluster === '' || rest.length > 0) throw new InvalidArgumentError('It is written trust-domain/cluster.')
  return [...before, { trustDomain: name, cluster }]
}

function time (text: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms) || !/(?:Z|[+-]\d\d:\d\d)$/.test(text)) throw new InvalidArgumentError('A time with a zone is expected, such as 2026-11-23T18:00:00Z.')
  return ms
}
