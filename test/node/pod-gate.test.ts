import { mkdirSync } from 'node:fs'
import t from 'tap'
import { PodGate } from '../../src/node/index.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { LocalWorkload, Sandbox } from '../../src/cluster/index.ts'
import type { Unarmed } from '../../src/node/index.ts'

const sandbox: Sandbox = { id: 'i', uid: 'u', namespace: 'shop', name: 'web', netns: '/run/netns/web' }
// The gate looks at the key only.
const workload = { key: 'shop/web' } as LocalWorkload

function world ({ unarmed = 'refuse' as Unarmed, admit = async (): Promise<LocalWorkload | undefined> => workload, guarded = async (_key: string): Promise<void> => {}, reviewed = async (): Promise<void> => {} } = {}) {
  const heard: string[] = []
  const told: string[] = []
  const log = memoryLog()
  const gate = new PodGate(unarmed, {
    source: {
      admit,
      setSandboxes (list) { heard.push(`set ${[...list].map(({ name }) => name).join(' ')}`) },
      removeSandbox ({ id }) { heard.push(`remove ${id}`) },
    },
    guarded, reviewed, log, metrics: { podStarted (result) { heard.push(result) } },
    occurrences: { tell ({ about, reason }) { told.push(`${reason} ${about.name}`) } },
  })
  return { gate, heard, told, log }
}

const never = (): AbortSignal => new AbortController().signal

t.test('a pod starts when its rules are loaded, and not before', async t => {
  const loaded = Promise.withResolvers<void>()
  const { gate, heard } = world({ guarded: async key => { t.equal(key, 'shop/web'); await loaded.promise } })
  const running = gate.run(sandbox, never())
  await new Promise(resolve => { setImmediate(resolve) })
  t.same(heard, [])
  loaded.resolve()
  await running
  t.same(heard, ['captured'])
})

t.test('a pod that is not selected does not wait', async t => {
  const { gate, heard } = world({ admit: async () => undefined, guarded: () => new Promise(() => {}) })
  await gate.run(sandbox, never())
  t.same(heard, ['not-selected'])
})

t.test('a pod whose rules are not loaded in time is refused and forgotten', async t => {
  const time = new AbortController()
  const { gate, heard, told, log } = world({ guarded: () => new Promise(() => {}) })
  const running = gate.run(sandbox, time.signal)
  time.abort(new Error('time is up'))
  await t.rejects(running, /liburna cannot capture shop\/web: time is up/)
  t.same(heard, ['refused', 'remove i'])
  t.same(told, ['StartRefused web'])
  t.match(log.lines, [{ level: 'error', fields: { pod: 'shop/web' } }])
})

t.test('where the setting says so it is let in, stays known, and is told', async t => {
  const { gate, heard, told, log } = world({ unarmed: 'admit', admit: async () => { throw new Error('the API server is away') } })
  await gate.run(sandbox, never())
  t.same(heard, ['late'])
  t.same(told, ['StartedUncaptured web'])
  t.match(log.lines, [{ level: 'error', message: 'a pod starts before it is captured' }])
})

t.test('of what there is, sandboxes whose namespace is gone do not count', async t => {
  using folder = new TestFolder()
  mkdirSync(folder.at('there'))
  const { gate, heard } = world()
  gate.synchronize([{ ...sandbox, name: 'there', netns: folder.at('there') }, { ...sandbox, name: 'gone', netns: folder.at('gone') }, { ...sandbox, name: 'host', netns: '' }])
  t.same(heard, ['set there host'])
})

t.test('where there is a host guard a pod starts when it is released, and ends when it is not any more', async t => {
  for (const admit of [async () => workload, async () => undefined]) {
    const reviews: PromiseWithResolvers<void>[] = []
    const { gate, heard } = world({ admit, reviewed: () => { const review = Promise.withResolvers<void>(); reviews.push(review); return review.promise } })
    const running = gate.run(sandbox, never())
    await new Promise(resolve => { setImmediate(resolve) })
    t.same([heard, reviews.length], [[], 1])
    reviews[0]?.resolve()
    await running
    const stopping = gate.stop(sandbox)
    t.same([heard.at(-1), reviews.length], ['remove i', 2], 'asked for when the sandbox is forgotten')
    reviews[1]?.resolve()
    await stopping
  }
})

t.test('the gate of an agent that ends refuses nobody', async t => {
  const { gate, heard } = world({ guarded: async () => { throw new Error('too late') } })
  gate.leave()
  await gate.run(sandbox, never())
  t.same(heard, ['late'])
})
