/**
 * What our client makes of an API server that is slow, busy, forgetful, garbled, or gone: the same for the small one of
 * the tests and for a real one behind a proxy. The kind that is watched is NetworkPolicy, of namespace `shop`.
 */

import { eventually } from '../fixtures/eventually.ts'
import { expired } from '../fixtures/wire.ts'
import type { Test } from 'tap'
import type { KubernetesSource } from '../../src/cluster/index.ts'
import type { Wire } from '../fixtures/wire.ts'

export interface ClientWorld {
  readonly wire: Wire
  /** NetworkPolicies of these names and no others. */
  setPolicies (names: readonly string[]): void | Promise<void>
  /** A source that is open, and followed until the end of the test. */
  source (): Promise<KubernetesSource>
}

type MakeWorld = (t: Test) => Promise<ClientWorld>

const path = '/apis/networking.k8s.io/v1/networkpolicies'
const prefix = 'NetworkPolicy shop/'

export function testApiClient (t: Test, make: MakeWorld): void {
  /** A source that watches policies `a` and `b`, and the names of all that it has told of since. */
  const begin = async (t: Test, names: readonly string[] = ['a', 'b']) => {
    const world = await make(t)
    await world.setPolicies(names)
    const source = await world.source()
    await eventually(() => world.wire.watching(path) === 1)
    const told: string[][] = []
    source.onChange(change => {
      // A real cluster may have other policies, in other namespaces.
      if (change.kind === 'manifests-replaced' && told.at(-1)?.join() !== namesOf(source).join()) told.push(namesOf(source))
    })
    return { ...world, source, told, lists: () => listsOf(world.wire) }
  }
  const becomes = async (source: KubernetesSource, names: string, withinMs = 30_000): Promise<void> => { await eventually(() => namesOf(source).join() === names, withinMs) }

  t.test('a watch whose history is gone lists again, and forgets nothing meanwhile', async t => {
    const { wire, source, told, lists, setPolicies } = await begin(t)
    wire.fault(path, { status: 503 })
    wire.send(path, expired)
    await eventually(() => source.failures().length > 0)
    await setPolicies(['a', 'c'])
    t.same(namesOf(source), ['a', 'b'])
    wire.heal(path)
    await becomes(source, 'a,c')
    t.same(told, [['a', 'c']], 'in one step')
    t.ok(lists() > 1)
  })

  t.test('a watch that breaks off in the middle of a line, or ends, goes on from where it was', async t => {
    const { wire, source, told, lists, setPolicies } = await begin(t)
    wire.cut(path)
    await setPolicies(['a', 'b', 'c'])
    await becomes(source, 'a,b,c')
    await eventually(() => wire.watching(path) === 1)
    wire.end(path)
    await setPolicies(['a', 'c'])
    await becomes(source, 'a,c')
    t.same(told, [['a', 'b', 'c'], ['a', 'c']])
    t.equal(lists(), 1, 'no list but the first')
  })

  for (const [what, event] of [
    ['that goes back in time', { type: 'ADDED', object: { metadata: { name: 'ghost', namespace: 'shop', resourceVersion: '1' }, spec: {} } }],
    ['with an event of an unknown type', { type: 'ODD', object: { metadata: { name: 'x', resourceVersion: '99999999999' } } }],
    ['with an object without a name', { type: 'ADDED', object: { metadata: { resourceVersion: '99999999999' } } }],
    ['with an object without a version', { type: 'ADDED', object: { metadata: { name: 'x' } } }],
    ['with an error of the server', { type: 'ERROR', object: { kind: 'Status', code: 500, message: 'etcd is unwell' } }],
  ] as const) {
    t.test(`a stream ${what} is not believed`, async t => {
      const { wire, source, told, setPolicies } = await begin(t)
      wire.send(path, event)
      await eventually(() => wire.watching(path) === 0)
      await setPolicies(['a', 'b', 'c'])
      await becomes(source, 'a,b,c')
      t.same(told, [['a', 'b', 'c']])
    })
  }

  t.test('events that come twice change nothing twice', async t => {
    const { wire, source, told, setPolicies } = await begin(t)
    await setPolicies(['a', 'b', 'c'])
    await becomes(source, 'a,b,c')
    const [newest] = source.policyObjects().toSorted((a, b) => Number(b.version) - Number(a.version))
    const { spec } = newest?.manifest.object as { spec: object } // a policy
    for (let i = 0; i < 3; i++) wire.send(path, { type: 'ADDED', object: { metadata: { name: 'c', namespace: 'shop', uid: newest?.name.uid, generation: newest?.generation, resourceVersion: newest?.version }, spec } })
    await setPolicies(['a', 'b', 'c', 'd'])
    await becomes(source, 'a,b,c,d')
    t.same(told, [['a', 'b', 'c'], ['a', 'b', 'c', 'd']])
  })

  t.test('answers that are no JSON, cut, or refused keep what was known, and are told by name', async t => {
    const { wire, source, told, setPolicies } = await begin(t)
    for (const fault of [{ garbage: '{"items": [' }, { garbage: '<html>' }, { status: 500 }, { status: 403 }]) {
      wire.fault(path, fault)
      wire.send(path, expired)
      wire.cut(path)
      await eventually(() => source.failures().some(({ origin, source }) => origin === 'API server: networkpolicies' && source === 'policies'), 30_000)
      t.ok(source.ages().find(({ name }) => name === 'networkpolicies')?.staleSinceMs)
      wire.heal(path)
      await eventually(() => source.failures().length === 0, 30_000)
      await eventually(() => wire.watching(path) === 1)
    }
    t.same(told, [])
    await setPolicies(['b'])
    await becomes(source, 'b')
  })

  t.test('a busy server is asked again when it says, and not before', async t => {
    const { wire, source } = await begin(t)
    const asked = (): number => wire.requests.filter(line => line.startsWith(`GET ${path}?`)).length
    wire.fault(path, { status: 429, retryAfterSeconds: 2 })
    wire.cut(path)
    const before = asked()
    await eventually(() => asked() > before)
    const startMs = performance.now()
    await eventually(() => asked() > before + 1, 30_000)
    t.ok(performance.now() - startMs >= 1900)
    wire.heal(path)
    await eventually(() => source.failures().length === 0, 30_000)
  })

  t.test('a slow list is waited for, and a long one comes in pages', async t => {
    const { wire, source, lists } = await begin(t, Array.from({ length: 501 }, (_, i) => `p${i}`))
    t.equal(namesOf(source).length, 501)
    t.equal(lists(), 2)
    wire.fault(path, { isSlow: true })
    wire.send(path, expired)
    await eventually(() => lists() >= 4 && wire.watching(path) === 1, 30_000)
    t.equal(namesOf(source).length, 501)
    wire.heal(path)
  })

  t.test('connections are kept: one for each watch, and a list goes over the one that its watch takes', async t => {
    const { wire, source } = await begin(t)
    const kinds = source.ages().length
    t.ok(wire.connections <= kinds + 1, `${wire.connections} connections for ${kinds} kinds`)
  })
}

function namesOf (source: KubernetesSource): string[] {
  return source.manifests().map(({ origin }) => origin).filter(origin => origin.startsWith(prefix)).map(origin => origin.slice(prefix.length))
}

function listsOf ({ requests }: Wire): number {
  return requests.filter(line => line.startsWith(`GET ${path}?`) && !line.includes('watch=true')).length
}
