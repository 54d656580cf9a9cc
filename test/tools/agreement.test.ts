/** The tools are asked the same questions in different ways, and must give the same answers. */

import fc from 'fast-check'
import t from 'tap'
import { diffOf, explainFlow, reachOf } from '../../src/tools/index.ts'
import { evaluated, inventory, worlds } from './manifests.ts'
import type { DiffGroup, Inventory, NamedEndpoint, ReachAnswer } from '../../src/tools/index.ts'
import type { AskedPair } from './manifests.ts'

const runs = { numRuns: 100 }
const protocols = ['TCP', 'UDP', 'SCTP'] as const
/** Ports at and around every place where a generated rule or workload could cut. */
const telling = [1, 79, 80, 81, 82, 100, 101, 500, 8079, 8080, 8081, 9000, 9001, 65535]

function askedOf ({ workloads: [first] }: Inventory): NamedEndpoint {
  if (first === undefined) throw new Error('a world without workloads')
  return { name: 'x', endpoint: first.endpoint, ports: first.ports }
}

t.test('every pair and port that reach lists is allowed by evaluate, and no other port of the declared or telling ones', async t => {
  fc.assert(fc.property(worlds, fc.boolean(), (manifests, everyPort) => {
    const world = inventory(manifests)
    const answer = reachOf(askedOf(world), world, { everyPort })
    const pairs = pairsOf(answer, everyPort)
    const lines = evaluated(manifests, pairs.map(({ pair }) => pair))
    for (const [i, { listed, what }] of pairs.entries()) {
      if (lines[i]?.allowed !== listed) t.fail(`${what}: reach ${String(listed)}, evaluate ${JSON.stringify(lines[i])}`)
    }
  }), runs)
  t.pass('they agree')
})

interface Checked { readonly pair: AskedPair, readonly listed: boolean, readonly what: string }

function pairsOf ({ workload, parties, reachedBy, reaches }: ReachAnswer, everyPort: boolean): Checked[] {
  const own = parties.find(({ name }) => name === workload)
  if (own === undefined) throw new Error(`${workload} is not among the parties`)
  return parties.filter(peer => peer !== own || peer.several).flatMap(peer => [[peer, own, reachedBy] as const, [own, peer, reaches] as const].flatMap(([from, to, lines]) => {
    if (from.endpoint.kind === 'external' && to.endpoint.kind === 'external') return []
    const asked = everyPort || to.ports.length === 0 ? protocols.flatMap(protocol => telling.map(port => ({ protocol, port }))) : to.ports
    const ports = lines.find(line => line.peer === peer.name)?.ports ?? []
    return asked.map(({ protocol, port }) => ({
      pair: { source: from.endpoint, destination: to.endpoint, protocol, port },
      listed: ports.some(range => range.protocol === protocol && port >= range.low && port <= range.high),
      what: `${from.name} to ${to.name} ${protocol} ${port}`,
    }))
  }))
}

t.test('a pair and port opens or closes in diff exactly where evaluate changes its mind', async t => {
  fc.assert(fc.property(worlds, worlds, (manifests, others) => {
    const workloads = manifests.filter(one => !('apiVersion' in one) || !/policy|networking|liburna/.test(String(one.apiVersion)))
    const policies = others.filter(one => 'apiVersion' in one && /policy|networking|liburna/.test(String(one.apiVersion)))
    const changed = [...workloads, ...policies]
    const { groups, parties } = diffOf(inventory(manifests), inventory(changed))
    const pairs = parties.flatMap(source => parties.flatMap(destination => {
      if ((source === destination && !source.several) || (source.endpoint.kind === 'external' && destination.endpoint.kind === 'external')) return []
      const asked = destination.ports.length > 0 ? destination.ports : protocols.flatMap(protocol => telling.map(port => ({ protocol, port })))
      return asked.map(({ protocol, port }) => ({ source, destination, protocol, port }))
    }))
    const asked = pairs.map(({ source, destination, protocol, port }) => ({ source: source.endpoint, destination: destination.endpoint, protocol, port }))
    const [before, after] = [evaluated(manifests, asked), evaluated(changed, asked)]
    for (const [i, { source, destination, protocol, port }] of pairs.entries()) {
      const expected = before[i]?.allowed === after[i]?.allowed ? 'same' : after[i]?.allowed === true ? 'opened' : 'closed'
      const seen = changeIn(groups, source.name, destination.name, protocol, port)
      if (seen !== expected) t.fail(`${source.name} to ${destination.name} ${protocol} ${port}: diff ${seen}, evaluate ${expected}`)
    }
  }), { numRuns: 60 })
  t.pass('they agree')
})

function changeIn (groups: readonly DiffGroup[], source: string, destination: string, protocol: string, port: number): string {
  const found = groups.filter(group => group.sources.includes(source) && group.destinations.includes(destination) &&
    group.ports.some(range => range.protocol === protocol && port >= range.low && port <= range.high))
  return found.length > 1 ? 'twice' : found[0]?.change ?? 'same'
}

t.test('nothing differs from itself', async t => {
  fc.assert(fc.property(worlds, manifests => {
    const { groups, added, removed } = diffOf(inventory(manifests), inventory(manifests))
    t.same({ groups, added, removed }, { groups: [], added: [], removed: [] })
  }), { numRuns: 50 })
})

t.test('explain says what evaluate says, and its last match is what decided', async t => {
  fc.assert(fc.property(worlds, fc.constantFrom(...protocols), fc.constantFrom(...telling), (manifests, protocol, port) => {
    const world = inventory(manifests)
    const parties = reachOf(askedOf(world), world).parties
    const pairs = parties.flatMap(source => parties.map(destination => ({ source, destination, protocol, port })))
    const lines = evaluated(manifests, pairs.map(({ source, destination }) => ({ source: source.endpoint, destination: destination.endpoint, protocol, port })))
    for (const [i, pair] of pairs.entries()) {
      const { allowed, egress, ingress, observed, walks } = explainFlow(pair, world)
      if (JSON.stringify({ allowed, egress, ingress, observed }) !== JSON.stringify(lines[i])) t.fail(`explain ${JSON.stringify({ egress, ingress })}, evaluate ${JSON.stringify(lines[i])}`)
      for (const { direction, steps, isolatedBy } of walks) {
        const decided = (direction === 'egress' ? egress : ingress).decidedBy
        const last = steps.findLast(({ matched, action }) => matched && action !== 'pass')
        const agrees = last === undefined ? decided === 'default' || isolatedBy.includes(decided) : last.rule === decided
        if (!agrees) t.fail(`${decided} decided, the walk ends with ${String(last?.rule)}`)
      }
    }
  }), { numRuns: 30 })
  t.pass('they agree')
})
