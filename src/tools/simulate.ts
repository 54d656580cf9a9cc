/** Recorded flows against today's policies and proposed ones: what would change, and which rules no flow ever used. */

import { formatRuleName } from '../model/verdict.ts'
import { judgeFlow, nameOf } from '../policy/index.ts'
import { endpointOf } from './observed-endpoint.ts'
import { describeEnd, homeOf } from './records.ts'
import { counted, formatTable, printable } from './table.ts'
import type { ClusterName, FlowJudgement } from '../policy/index.ts'
import type { Inventory } from './inventory.ts'
import type { Observation } from './records.ts'

export interface Simulation {
  /** Connections that were recorded with a verdict. */
  readonly connections: number
  /** Connections that today's policies would judge otherwise than the record says: policies have changed since, or facts are missing. */
  readonly otherThanRecorded: number
  /** Most connections first. */
  readonly changes: readonly SimulatedChange[]
  /** Rules that decided about no recorded connection. */
  readonly unused: { readonly today: readonly string[], readonly proposed: readonly string[] }
}

export interface SimulatedChange {
  readonly change: 'opened' | 'closed'
  readonly source: string
  readonly destination: string
  readonly port: number
  readonly connections: number
  readonly last: string
  readonly examples: readonly string[]
  /** What decides today, and what would. */
  readonly before: string
  readonly after: string
}

export function simulate (observations: readonly Observation[], today: Inventory, proposed: Inventory): Simulation {
  const [usedToday, usedProposed] = [new Set<string>(), new Set<string>()]
  const changes: SimulatedChange[] = []
  const home = homeOf(observations) ?? today.context.home
  let [connections, otherThanRecorded] = [0, 0]
  for (const observation of observations) {
    const { allowed, denied, undecided } = observation.counts
    const [before, after] = [judge(observation, today, usedToday), judge(observation, proposed, usedProposed)]
    connections += allowed + denied + undecided
    otherThanRecorded += before.allowed ? denied : allowed
    if (before.allowed !== after.allowed) changes.push(changeOf(observation, home, before, after))
  }
  return {
    connections, otherThanRecorded,
    changes: changes.sort((a, b) => b.connections - a.connections),
    unused: { today: unusedRules(today, usedToday), proposed: unusedRules(proposed, usedProposed) },
  }
}

function judge ({ source, destination, port }: Observation, inventory: Inventory, used: Set<string>): FlowJudgement {
  const flow = { source: endpointOf(source, inventory), destination: endpointOf(destination, inventory), protocol: 'TCP' as const, port }
  const judgement = judgeFlow(inventory.set, flow, inventory.context.nowMs)
  for (const { decidedBy, observed } of [judgement.egress, judgement.ingress]) {
    used.add(formatRuleName(decidedBy))
    if (observed !== undefined) used.add(formatRuleName(observed.decidedBy))
  }
  return judgement
}

function changeOf ({ source, destination, port, counts, last, examples }: Observation, home: ClusterName, before: FlowJudgement, after: FlowJudgement): SimulatedChange {
  return {
    change: after.allowed ? 'opened' : 'closed', source: describeEnd(source, home), destination: describeEnd(destination, home), port,
    connections: counts.allowed + counts.denied + counts.undecided, last, examples, before: why(before), after: why(after),
  }
}

function why ({ egress, ingress }: FlowJudgement): string {
  const told = [['egress', egress], ['ingress', ingress]] as const
  const denied = told.filter(([, { action }]) => action === 'deny')
  return (denied.length > 0 ? denied : told).map(([direction, { action, decidedBy }]) => `${direction} ${action} by ${formatRuleName(decidedBy)}`).join(', ')
}

/** Isolation as such is no rule, and nor is what is left of an invalid policy. */
function unusedRules ({ policies }: Inventory, used: ReadonlySet<string>): string[] {
  const rules = policies.filter(({ broken }) => broken === '').flatMap(({ entries }) => entries).map(entry => formatRuleName(nameOf(entry)))
  return rules.filter(rule => !used.has(rule))
}

export function simulationText ({ connections, otherThanRecorded, changes, unused }: Simulation): string {
  const rows = changes.map(({ change, source, destination, port, connections, last, before, after }) => {
    return [change, source, destination, `TCP ${port}`, String(connections), last, `${before}; ${after}`]
  })
  const lists = (['today', 'proposed'] as const).filter(which => unused[which].length > 0).flatMap(which => {
    return ['', `rules that no recorded connection used (${which}):`, ...unused[which].map(rule => `  ${printable(rule)}`)]
  })
  const changed = changes.reduce((sum, one) => sum + one.connections, 0)
  return [
    ...(rows.length === 0 ? [] : [formatTable(['CHANGE', 'FROM', 'TO', 'PORT', 'SEEN', 'LAST', 'BEFORE; AFTER'], rows).trimEnd()]),
    `${counted(changed, 'connection')} of ${connections} would change`,
    ...(otherThanRecorded === 0 ? [] : [`${counted(otherThanRecorded, 'connection')} would be judged by today's policies otherwise than recorded`]),
    ...lists,
  ].map(line => `${line}\n`).join('')
}
