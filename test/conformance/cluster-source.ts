/**
 * The contract of `ClusterSource`: every source of facts runs these tests.
 *
 * What is the same for all: complete at once, sorted, changes told in order and after the getters know, silence after stop.
 */

import type { Test } from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import type { SecureMode } from '../../src/model/mode.ts'
import type { ClusterChange, ClusterSource } from '../../src/cluster/index.ts'

/** A workload as the tests ask for it. */
export interface WantedWorkload {
  readonly name: string
  readonly netns?: string
  readonly serviceAccount?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly excludedPorts?: readonly number[]
  readonly mode?: SecureMode
}

/** The side that makes facts: files, a small API server, or a real one. All workloads are of namespace `shop`. */
export interface SourceWorld {
  setWorkloads (workloads: readonly WantedWorkload[]): void | Promise<void>
  setNamespaceLabels (labels: Readonly<Record<string, string>>): void | Promise<void>
  /** What the namespace asks for; its labels are none. */
  setNamespaceMode (mode: SecureMode): void | Promise<void>
  /** NetworkPolicy objects of these names, and no others. */
  setPolicies (names: readonly string[]): void | Promise<void>
  /** Makes a part of the facts unusable, and good again as it was. */
  breakPolicies (): void | Promise<void>
  repairPolicies (): void | Promise<void>
  /** Starts a source on what is there. */
  start (): ClusterSource | Promise<ClusterSource>
}

type MakeWorld = (t: Test) => SourceWorld | Promise<SourceWorld>

export function testClusterSource (t: Test, make: MakeWorld): void {
  t.test('everything is known from the start, sorted', async t => {
    const world = await make(t)
    await world.setWorkloads([{ name: 'web-1', labels: { app: 'web' } }, { name: 'cart-0' }])
    await world.setPolicies(['b', 'a'])
    const source = await begin(t, world)
    t.same(source.workloads().map(workload => workload.key), ['shop/cart-0', 'shop/web-1'])
    t.match(source.workloads()[1]?.identity, { spiffeId: { namespace: 'shop', serviceAccount: 'default' }, attributes: { labels: { app: 'web' } } })
    t.equal(source.workloads()[0]?.identity.attributes.namespaceLabels['kubernetes.io/metadata.name'], 'shop')
    t.not(source.workloads()[0]?.identity.attributes.uid, '')
    t.same(namesOf(source), ['a', 'b'])
    t.same(source.failures(), [])
  })

  t.test('a uid stays as it is from one start to the next', async t => {
    const world = await make(t)
    await world.setWorkloads([{ name: 'web-0' }])
    const uid = (await begin(t, world)).workloads()[0]?.identity.attributes.uid
    t.equal((await begin(t, world)).workloads()[0]?.identity.attributes.uid, uid)
  })

  t.test('workloads come, change and go', async t => {
    const world = await make(t)
    await world.setWorkloads([{ name: 'web-0' }])
    const source = await begin(t, world)
    const changes = record(source)
    await world.setWorkloads([{ name: 'web-0' }, { name: 'web-1' }])
    await told(changes, ['workload-added shop/web-1'])
    await world.setWorkloads([{ name: 'web-0', labels: { app: 'web' } }, { name: 'web-1' }])
    await told(changes, ['workload-changed shop/web-0 identity'])
    await world.setWorkloads([{ name: 'web-0', labels: { app: 'web' }, excludedPorts: [22] }, { name: 'web-1' }])
    await told(changes, ['workload-changed shop/web-0 exclusions'])
    await world.setWorkloads([{ name: 'web-1' }])
    await told(changes, ['workload-removed shop/web-0'])
    t.same(source.workloads().map(workload => workload.key), ['shop/web-1'])
  })

  t.test('the same name in another network namespace is another workload: removed, then added', async t => {
    const world = await make(t)
    await world.setWorkloads([{ name: 'web-0', netns: 'old' }])
    const changes = record(await begin(t, world))
    await world.setWorkloads([{ name: 'web-0', netns: 'new' }])
    await told(changes, ['workload-removed shop/web-0', 'workload-added shop/web-0'])
  })

  t.test('labels of a namespace change the identity of its workloads', async t => {
    const world = await make(t)
    await world.setWorkloads([{ name: 'web-0' }, { name: 'web-1' }])
    const source = await begin(t, world)
    const changes = record(source)
    await world.setNamespaceLabels({ team: 'shop' })
    await told(changes, ['workload-changed shop/web-0 identity', 'workload-changed shop/web-1 identity'])
    t.match(source.workloads()[0]?.identity.attributes.namespaceLabels, { 'team': 'shop', 'kubernetes.io/metadata.name': 'shop' })
  })

  t.test('authenticate is what somebody asks for and nobody asks more than', async t => {
    const world = await make(t)
    await world.setWorkloads([{ name: 'web-0', mode: 'authenticate' }, { name: 'web-1' }])
    const source = await begin(t, world)
    const modes = (): SecureMode[] => source.workloads().map(({ mode }) => mode)
    t.same(modes(), ['authenticate', 'encrypt'])
    const changes = record(source)
    await world.setWorkloads([{ name: 'web-0' }, { name: 'web-1' }])
    await told(changes, ['workload-changed shop/web-0 mode'])
    t.same(modes(), ['encrypt', 'encrypt'])
    await world.setNamespaceMode('authenticate')
    await eventually(() => modes().every(mode => mode === 'authenticate'))
    await world.setWorkloads([{ name: 'web-0', mode: 'encrypt' }, { name: 'web-1' }])
    await eventually(() => modes()[0] === 'encrypt')
    t.same(modes(), ['encrypt', 'authenticate'], 'the workload asks for more')
    await world.setNamespaceMode('encrypt')
    await world.setWorkloads([{ name: 'web-0', mode: 'authenticate' }, { name: 'web-1' }])
    await eventually(() => modes()[1] === 'encrypt')
    t.same(modes(), ['encrypt', 'encrypt'], 'the namespace does')
  })

  t.test('policies come and go', async t => {
    const world = await make(t)
    await world.setPolicies(['a'])
    const source = await begin(t, world)
    const changes = record(source)
    await world.setPolicies(['a', 'b'])
    await told(changes, ['manifests-replaced a b'])
    await world.setPolicies(['b'])
    await told(changes, ['manifests-replaced b'])
    await world.setPolicies([])
    await told(changes, ['manifests-replaced '])
    t.same(source.manifests(), [])
  })

  t.test('what cannot be used is told, and its last good state stays', async t => {
    const world = await make(t)
    await world.setPolicies(['a', 'b'])
    const source = await begin(t, world)
    const changes = record(source)
    await world.breakPolicies()
    await told(changes, ['failures-changed 1'])
    t.same(namesOf(source), ['a', 'b'])
    t.match(source.failures(), [{ source: 'policies', message: /.+/ }])
    await world.repairPolicies()
    await told(changes, ['failures-changed 0'])
    t.same(namesOf(source), ['a', 'b'])
  })

  t.test('a listener hears of a change when the source already knows it', async t => {
    const world = await make(t)
    const source = await begin(t, world)
    const seen: string[][] = []
    source.onChange(() => { seen.push(source.workloads().map(workload => workload.key)) })
    await world.setWorkloads([{ name: 'web-0' }])
    await eventually(() => seen.length > 0)
    t.same(seen, [['shop/web-0']])
  })

  t.test('a listener that throws does not keep the next change from being told', async t => {
    const world = await make(t)
    const source = await begin(t, world)
    source.onChange(() => { throw new Error('not my day') })
    const changes = record(source)
    await world.setWorkloads([{ name: 'web-0' }, { name: 'web-1' }])
    await told(changes, ['workload-added shop/web-0', 'workload-added shop/web-1'])
  })

  t.test('who unsubscribes hears nothing more', async t => {
    const world = await make(t)
    const source = await begin(t, world)
    const before: ClusterChange[] = []
    source.onChange(change => { before.push(change) })()
    const changes = record(source)
    await world.setWorkloads([{ name: 'web-0' }])
    await told(changes, ['workload-added shop/web-0'])
    t.same(before, [])
  })
}

async function begin (t: Test, world: SourceWorld): Promise<ClusterSource> {
  const source = await world.start()
  t.teardown(() => { source.stop() })
  return source
}

function namesOf (source: ClusterSource): string[] {
  return source.manifests().map(({ object }) => nameOf(object)).sort()
}

/** `metadata.name` of an object that the world made. */
function nameOf (object: unknown): string {
  return (object as { metadata: { name: string } }).metadata.name
}

function record (source: ClusterSource): string[] {
  const changes: string[] = []
  source.onChange(change => { changes.push(describe(change)) })
  return changes
}

function describe (change: ClusterChange): string {
  switch (change.kind) {
    case 'workload-added':
    case 'workload-removed': return `${change.kind} ${change.workload.key}`
    case 'workload-changed': return `${change.kind} ${change.workload.key} ${(['identity', 'exclusions', 'mode'] as const).filter(part => change[part]).join(' ')}`
    case 'manifests-replaced': return `${change.kind} ${change.manifests.map(({ object }) => nameOf(object)).sort().join(' ')}`
    case 'failures-changed': return `${change.kind} ${change.failures.length}`
  }
}

/** Waits until exactly these changes have been told, and forgets them. */
async function told (changes: string[], expected: readonly string[]): Promise<void> {
  await eventually(() => {
    if (changes.length < expected.length) throw new Error(`told so far: ${JSON.stringify(changes)}`)
    return true
  })
  const seen = changes.splice(0)
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`told ${JSON.stringify(seen)}, expected ${JSON.stringify(expected)}`)
}
