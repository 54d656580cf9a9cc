/** Events: told once in a while, with a count, and never more than a bounded number of them. */

import t from 'tap'
import { EventWriter } from '../../src/cluster/index.ts'
import { podName } from '../../src/model/occurrence.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { KubernetesWorld, paths } from '../fixtures/kubernetes-world.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { Test } from 'tap'
import type { StoredObject } from '../fixtures/api-server.ts'
import type { Occurrence } from '../../src/model/occurrence.ts'
import type { StatusResult } from '../../src/observe/index.ts'

const minute = 60_000

function denied (sort: string, wish: Partial<Occurrence> = {}): Occurrence {
  return { about: podName({ namespace: 'shop', name: 'web-0', uid: 'u-web-0' }), reason: 'FlowDenied', note: `from ${sort}`, sort, isShared: false, ...wish }
}

async function world (t: Test) {
  const kubernetes = await KubernetesWorld.start(t)
  const clock = new FakeClock()
  const results: StatusResult[] = []
  const writer = (node = 'n1', random = (): number => 0.5): EventWriter => {
    const made = new EventWriter(node, { api: kubernetes.api(), clock, log: memoryLog(), metrics: { eventEnded (result) { results.push(result) } }, random })
    t.teardown(() => { made[Symbol.dispose]() })
    return made
  }
  const events = (): StoredObject[] => kubernetes.server.objects(paths.events)
  const settled = async (count: number): Promise<void> => { await eventually(() => results.length >= count) }
  return { server: kubernetes.server, clock, results, writer, events, settled }
}

t.test('an occurrence is an event at its object, and happens again as a count, written once in a while', async t => {
  const { clock, writer, events, results, settled } = await world(t)
  const told = writer()
  told.tell(denied('client'))
  await settled(1)
  t.match(events(), [{
    type: 'Warning', reason: 'FlowDenied', action: 'Connect', note: 'a connection was denied: from client',
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'web-0', uid: 'u-web-0' },
    metadata: { namespace: 'shop', name: /^web-0\.[0-9a-f]{16}$/ }, eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'liburna.io/agent', reportingInstance: 'n1', series: undefined,
  }])
  for (let i = 0; i < 1000; i++) told.tell(denied('client'))
  clock.advance(9 * minute)
  t.same(results, ['written'], 'not again so soon')
  clock.advance(2 * minute)
  await settled(2)
  t.match(events(), [{ series: { count: 1001, lastObservedTime: '2026-01-01T00:00:00.000000Z' } }])
  clock.advance(30 * minute)
  t.same(results, ['written', 'written'], 'what does not happen is not told')
})

t.test('what is over for an hour begins anew, and so does what the API server has forgotten', async t => {
  const { server, clock, writer, events, settled } = await world(t)
  const told = writer()
  told.tell(denied('client'))
  await settled(1)
  for (const { metadata: { name } } of events()) server.remove(paths.events, name, 'shop')
  told.tell(denied('client'))
  clock.advance(11 * minute)
  await settled(2)
  t.match(events(), [{ series: { count: 2 } }], 'forgotten by the server: made again, with all that is known')
  clock.advance(61 * minute)
  told.tell(denied('client'))
  await settled(3)
  t.match(events().map(({ series }) => series), [{ count: 2 }, undefined])
})

t.test('one pod fills its own page and no other, and all pods together have a bounded book', async t => {
  const { writer, results, events, settled } = await world(t)
  const told = writer()
  for (let port = 1; port <= 1000; port++) told.tell(denied(`port ${port}`))
  t.equal(results.filter(result => result === 'dropped').length, 980)
  told.tell(denied('other', { about: podName({ namespace: 'shop', name: 'db-0', uid: 'u-db-0' }) }))
  await settled(980 + 21)
  t.equal(events().length, 21)
  for (let i = 0; i < 2000; i++) told.tell(denied('x', { about: podName({ namespace: 'shop', name: `p${i}`, uid: `u${i}` }) }))
  t.equal(results.filter(result => result === 'dropped').length, 980 + 2000 - (800 - 21))
  told.tell(denied('', { reason: 'NotCaptured' }))
  t.equal(results.filter(result => result === 'dropped').length, 980 + 2000 - (800 - 21), 'who is denied much hides nothing else')
})

t.test('many new ones leave at a bounded rate', async t => {
  const { clock, writer, results, events, settled } = await world(t)
  const told = writer()
  for (let i = 0; i < 60; i++) told.tell(denied('x', { about: podName({ namespace: 'shop', name: `p${i}`, uid: `u${i}` }) }))
  await settled(30)
  await eventually(() => clock.waiting >= 2)
  t.equal(results.length, 30)
  clock.advance(4000)
  await settled(31)
  clock.advance(500)
  t.ok(results.length <= 33)
  told.tell(denied('', { reason: 'NotCaptured', note: 'urgent' }))
  await eventually(() => { clock.advance(500); return events().some(({ reason }) => reason === 'NotCaptured') })
  t.ok(events().length < 61, 'before the denials that still wait')
})

t.test('while the API server is away or refuses, events are dropped and counted, and told with their count later', async t => {
  const { server, clock, writer, results, events, settled } = await world(t)
  const told = writer()
  server.fault(paths.events, { garbage: '' })
  told.tell(denied('one'))
  told.tell(denied('two'))
  await settled(2)
  t.same(results.splice(0), ['failed', 'dropped'])
  server.fault(paths.events, { status: 403 })
  told.tell(denied('three'))
  told.tell(denied('four'))
  await settled(2)
  t.same(results.splice(0), ['failed', 'failed'], 'a refusal is of this one alone')
  server.heal(paths.events)
  for (let i = 0; i < 4; i++) told.tell(denied('one'))
  clock.advance(11 * minute)
  await settled(1)
  t.match(events(), [{ note: /from one/, series: { count: 5 } }])
})

t.test('what all agents see, one tells', async t => {
  const { clock, writer, results, events, settled } = await world(t)
  const invalid = denied('', { about: { apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', namespace: '', name: 'ap', uid: 'u' }, reason: 'PolicyInvalid', isShared: true })
  const all = [0.9, 0.2, 0.6].map((chance, i) => writer(`n${i}`, () => chance))
  for (const told of all) told.tell(invalid)
  t.same(events(), [], 'each waits for a moment of its own')
  clock.advance(30_000)
  await settled(3)
  t.match(events(), [{ metadata: { namespace: 'default' }, regarding: { kind: 'AccessPolicy', name: 'ap', namespace: undefined } }])
  t.same(results, ['written', 'written', 'written'], 'who finds it told is content')
  for (const told of all) told.tell(invalid)
  clock.advance(59 * minute)
  t.equal(results.length, 3)
  clock.advance(2 * minute)
  for (const told of all) told.tell(invalid)
  clock.advance(30_000)
  await settled(6)
  t.equal(events().length, 2, 'once an hour, while it lasts')
})

t.test('words of others are bounded, and harmless on a terminal', async t => {
  const { writer, events, settled } = await world(t)
  const told = writer()
  told.tell(denied('long', { note: `\u001b[31mred\n${'ä'.repeat(2000)}` }))
  told.tell(denied('odd', { about: podName({ namespace: 'shop', name: `${'a'.repeat(199)}.b`, uid: 'u' }), note: '' }))
  await settled(2)
  const [long, odd] = events()
  t.match(long?.['note'], /^a connection was denied: {2}\[31mred ä+ …$/)
  t.equal(odd?.['note'], 'a connection was denied')
  t.match(odd?.metadata.name, /^a{199}\.[0-9a-f]{16}$/)
})

t.test('who has stopped writes nothing more', async t => {
  const { clock, writer, results, events } = await world(t)
  const told = writer()
  told.tell(denied('shared', { isShared: true }))
  told[Symbol.dispose]()
  told.tell(denied('late'))
  t.equal(clock.waiting, 0)
  t.same([results, events()], [[], []])
})
