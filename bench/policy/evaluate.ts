/**
 * What a decision costs: `node --expose-gc bench/policy/evaluate.ts [--json FILE]`.
 *
 * 10,000 workloads in 100 namespaces; 10, 1,000 and 10,000 policies, of which 1, 10 or 100 select the pod that is
 * asked about and the rest select others (half of them in the pod's own namespace, so that the index has to tell them
 * apart). Peers are drawn at random; each decision is timed on its own, the clock's own cost included. `decide` is with
 * the pod's policies known, `first` is the first question about a pod after a change, when they must be found.
 * `change` is parsing one changed manifest, applying it, and deciding again.
 */

import { writeFileSync } from 'node:fs'
import { ipFrom } from '../../src/model/address.ts'
import { namespaceNameLabel } from '../../src/model/labels.ts'
import { compile, parseManifests } from '../../src/policy/index.ts'
import type { Identity } from '../../src/model/workload.ts'
import type { PolicyStore, Question } from '../../src/policy/index.ts'

const workloadCount = 10_000
const namespaces = 100
const decisions = 20_000
const changes = 500
const nowMs = Date.UTC(2026, 10, 23)

interface Row {
  readonly policies: number
  readonly selecting: number
  readonly decideP50Us: number
  readonly decideP99Us: number
  readonly denyP50Us: number
  readonly firstP50Us: number
  readonly changeP50Ms: number
  readonly changeP99Ms: number
  readonly bytesPerPolicy: number
}

function workload (i: number): Identity {
  const namespace = `ns-${i % namespaces}`
  return {
    spiffeId: { trustDomain: 'bench.example', namespace, serviceAccount: 'default' },
    attributes: {
      cluster: 'bench', namespace, name: `pod-${i}`, uid: `uid-${i}`, owner: undefined,
      labels: { app: `app-${i % 1000}`, tier: ['web', 'api', 'db'][i % 3] ?? '', version: `v${i % 7}`, instance: `i-${i}` },
      namespaceLabels: { [namespaceNameLabel]: namespace, team: `team-${i % 10}` }, ports: [], images: [],
    },
  }
}

function manifest (name: string, namespace: string, subject: object, peer: string): object {
  return {
    apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace },
    spec: { podSelector: { matchLabels: subject }, ingress: [
      { from: [{ podSelector: { matchLabels: { app: peer } }, namespaceSelector: {} }], ports: [{ port: 8080 }] },
      { from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] },
    ] },
  }
}

/** The pod asked about is workload 0; `selecting` policies select it, and only the last of them allows anybody. */
function manifests (policies: number, selecting: number): object[] {
  return Array.from({ length: policies }, (_, i) => {
    if (i < selecting) return manifest(`mine-${String(i).padStart(5, '0')}`, 'ns-0', { app: 'app-0' }, i === selecting - 1 ? 'app-100' : `nobody-${i}`)
    return manifest(`other-${i}`, i % 2 === 0 ? 'ns-0' : `ns-${i % namespaces}`, { app: `app-${1 + i % 999}`, instance: `i-${i}` }, `app-${i % 1000}`)
  })
}

function ask (subject: Identity, peer: Identity): Question {
  return { direction: 'ingress', subject, peer: { kind: 'verified', identity: peer, ip: ipFrom('10.0.0.1'), notAfterMs: nowMs }, protocol: 'TCP', port: 8080, destinationPorts: [], nowMs, mode: 'encrypt' }
}

/** Microseconds of each call, sorted. */
function times (count: number, run: (i: number) => unknown): number[] {
  const taken: number[] = []
  for (let i = 0; i < count; i++) {
    const start = process.hrtime.bigint()
    run(i)
    taken.push(Number(process.hrtime.bigint() - start) / 1000)
  }
  return taken.sort((a, b) => a - b)
}

function quantile (sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN
}

function heapBytes (): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

function measure (policies: number, selecting: number, workloads: readonly Identity[]): Row {
  const [subject] = workloads
  if (subject === undefined) throw new Error('no workloads')
  const objects = manifests(policies, selecting)
  const before = heapBytes()
  const set: PolicyStore = compile(parseManifests(objects).policies)
  const bytesPerPolicy = (heapBytes() - before) / policies
  const questions = workloads.map(peer => ask(subject, peer))
  const denied = questions.filter(one => set.decide(one).action === 'deny')
  if (denied.length === 0 || denied.length === questions.length) throw new Error('the questions are all answered alike')
  const pick = (list: readonly Question[], i: number): Question => list[(i * 7919) % list.length] ?? ask(subject, subject)
  times(decisions, i => set.decide(pick(questions, i))) // warm-up
  const decide = times(decisions, i => set.decide(pick(questions, i)))
  const deny = times(decisions / 10, i => set.decide(pick(denied, i)).reason)
  const first = times(2000, i => set.decide(ask({ ...subject }, workloads[i] ?? subject)))
  const change = times(changes, i => {
    set.apply({ put: parseManifests([manifest('mine-00000', 'ns-0', { app: 'app-0' }, `nobody-${i}`)]).policies })
    return set.decide(pick(questions, i))
  })
  return {
    policies, selecting, bytesPerPolicy: Math.round(bytesPerPolicy),
    decideP50Us: quantile(decide, 0.5), decideP99Us: quantile(decide, 0.99), denyP50Us: quantile(deny, 0.5), firstP50Us: quantile(first, 0.5),
    changeP50Ms: quantile(change, 0.5) / 1000, changeP99Ms: quantile(change, 0.99) / 1000,
  }
}

const workloads = Array.from({ length: workloadCount }, (_, i) => workload(i))
const rows = [10, 1000, 10_000].flatMap(policies => [1, 10, 100].filter(selecting => selecting <= policies).map(selecting => measure(policies, selecting, workloads)))
console.table(rows.map(row => ({
  'policies': row.policies,
  'selecting the pod': row.selecting,
  'decide p50 µs': row.decideP50Us.toFixed(2),
  'p99 µs': row.decideP99Us.toFixed(2),
  'deny with reason p50 µs': row.denyP50Us.toFixed(1),
  'first p50 µs': row.firstP50Us.toFixed(1),
  'change p50 ms': row.changeP50Ms.toFixed(3),
  'p99 ms': row.changeP99Ms.toFixed(3),
  'bytes a policy': globalThis.gc === undefined ? 'no --expose-gc' : row.bytesPerPolicy,
})))
const at = process.argv.indexOf('--json')
const file = process.argv[at + 1]
if (at > 0 && file !== undefined) writeFileSync(file, `${JSON.stringify({ node: process.version, workloads: workloadCount, rows }, null, 2)}\n`)
