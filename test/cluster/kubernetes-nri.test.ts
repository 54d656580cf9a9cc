import t from 'tap'
import { NriPlugin } from '../../src/cluster/index.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { FakeRuntime } from '../fixtures/nri-runtime.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { Test } from 'tap'
import type { Sandbox, SandboxHandler } from '../../src/cluster/index.ts'
import type { RuntimePod } from '../fixtures/nri-runtime.ts'

function pod (name: string, netns = `/run/netns/${name}`): RuntimePod {
  return { id: `id-${name}`, uid: `uid-${name}`, namespace: 'shop', name, netns }
}

async function world (t: Test, { clock = systemClock, run = async () => {}, stop = () => {}, whyNotNow = () => undefined }: { clock?: typeof systemClock, run?: SandboxHandler['run'], stop?: SandboxHandler['stop'], whyNotNow?: () => string | undefined } = {}) {
  const folder = new TestFolder()
  t.teardown(() => { folder[Symbol.dispose]() })
  const socketPath = folder.at('nri.sock')
  const runtime = await FakeRuntime.start(socketPath)
  const heard: string[] = []
  const say = (what: string, sandboxes: readonly Sandbox[]): void => { heard.push(`${what} ${sandboxes.map(({ name, netns }) => `${name}@${netns}`).join(' ')}`.trim()) }
  const plugin = new NriPlugin({ socketPath }, {
    clock, log: memoryLog(), whyNotNow,
    handler: {
      synchronize (sandboxes) { say('synchronize', sandboxes) },
      async run (sandbox, signal) { say('run', [sandbox]); await run(sandbox, signal) },
      async stop (sandbox) { say('stop', [sandbox]); await stop(sandbox) },
    },
    onState: isConnected => { heard.push(isConnected ? 'connected' : 'lost') },
  })
  t.teardown(async () => { plugin.stop(); await runtime[Symbol.asyncDispose]() })
  return { runtime, plugin, heard, socketPath }
}

t.test('a plugin registers, hears what there is, and then of each pod', async t => {
  const { runtime, plugin, heard } = await world(t)
  runtime.pods = [pod('a'), pod('b'), pod('host', '')]
  plugin.start()
  await runtime.greeted(1)
  t.same(runtime.registered, ['90-liburna'])
  t.same(await runtime.run(pod('c')), { payload: Buffer.alloc(0), refusal: undefined })
  await runtime.stop(pod('c'))
  await runtime.remove(pod('c'))
  t.same(heard, ['synchronize a@/run/netns/a b@/run/netns/b host@', 'connected', 'run c@/run/netns/c', 'stop c@/run/netns/c', 'stop c@/run/netns/c'])
})

t.test('bytes may come one by one', async t => {
  const { runtime, plugin, heard } = await world(t)
  runtime.chunk = 1
  runtime.pods = [pod('a')]
  plugin.start()
  await runtime.greeted(1)
  await runtime.run(pod('b'))
  t.equal(heard.at(-1), 'run b@/run/netns/b')
})

t.test('a pod that cannot be captured is refused, with why', async t => {
  const { runtime, plugin } = await world(t, { run: async () => { throw new Error('no rules today') } })
  plugin.start()
  await runtime.greeted(1)
  t.match(await runtime.run(pod('a')), { refusal: 'no rules today' })
})

t.test('the runtime has its answer in time, whatever the handler does', async t => {
  const clock = new FakeClock()
  let aborted = false
  const { runtime, plugin, heard } = await world(t, { clock, run: async (_, signal) => { signal.addEventListener('abort', () => { aborted = true }); await new Promise(() => {}) } })
  runtime.requestTimeoutMs = 1000
  plugin.start()
  await runtime.greeted(1)
  const answer = runtime.run(pod('a'))
  await eventually(() => heard.some(line => line.startsWith('run')))
  clock.advance(749)
  t.equal(aborted, false)
  clock.advance(1)
  t.match(await answer, { refusal: /not within 750 ms/ })
  t.equal(aborted, true)
})

t.test('several pods at once do not wait for each other', async t => {
  const waiting = new Map<string, () => void>()
  const { runtime, plugin } = await world(t, { run: async ({ name }) => { await new Promise<void>(resolve => { waiting.set(name, resolve) }) } })
  plugin.start()
  await runtime.greeted(1)
  const [first, second] = [runtime.run(pod('a')), runtime.run(pod('b'))]
  await eventually(() => waiting.size === 2)
  waiting.get('b')?.()
  await second
  waiting.get('a')?.()
  t.match(await first, { refusal: undefined })
})

t.test('the network of a pod that ends stays until the handler is done with it', async t => {
  const done = Promise.withResolvers<void>()
  const { runtime, plugin } = await world(t, { stop: () => done.promise })
  plugin.start()
  await runtime.greeted(1)
  const answers: string[] = []
  const stopping = runtime.stop(pod('a')).then(() => { answers.push('stop') })
  await runtime.run(pod('b')).then(() => { answers.push('run') })
  t.same(answers, ['run'])
  done.resolve()
  await stopping
})

t.test('calls that are none of ours are refused and do not end the connection', async t => {
  const { runtime, plugin } = await world(t)
  plugin.start()
  await runtime.greeted(1)
  t.match(await runtime.call('CreateContainer', new Uint8Array()), { refusal: 'CreateContainer' })
  t.match(await runtime.call('Configure', new Uint8Array(), 'some.Other'), { refusal: 'some.Other' })
  t.match(await runtime.call('Shutdown', new Uint8Array()), { refusal: undefined })
  t.match(await runtime.run(pod('a')), { refusal: undefined })
})

t.test('a connection that is lost is made again, and what there is is told again', async t => {
  const { runtime, plugin, heard } = await world(t)
  plugin.start()
  await runtime.greeted(1)
  runtime.pods = [pod('late')]
  runtime.drop()
  await runtime.greeted(2)
  t.same(heard, ['synchronize', 'connected', 'lost', 'synchronize late@/run/netns/late', 'connected'])
})

for (const [what, bytes] of [
  ['a frame that is too long', [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]],
  ['a message that is too long', [0, 0, 0, 1, 0, 0, 0, 10, 0xff, 0, 0, 0, 0, 0, 0, 1, 1, 0]],
  ['what is no message', [0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0x0f, 0xff]],
] as const) {
  t.test(`${what} does no harm`, async t => {
    const { runtime, plugin } = await world(t)
    plugin.start()
    await runtime.greeted(1)
    runtime.raw(Uint8Array.from(bytes))
    if (what === 'what is no message') t.match(await runtime.run(pod('a')), { refusal: undefined })
    else await runtime.greeted(2)
    t.equal(plugin.isConnected, true)
  })
}

t.test('as long as something is in the way nobody registers', async t => {
  let inTheWay: string | undefined = 'an agent ends'
  const { runtime, plugin, heard } = await world(t, { whyNotNow: () => inTheWay })
  plugin.start()
  t.same(heard, ['lost'])
  inTheWay = undefined
  await runtime.greeted(1)
  t.same(heard, ['lost', 'synchronize', 'connected'])
})

t.test('a runtime that refuses the plugin, or is not there, is asked again', async t => {
  const { runtime, plugin, heard } = await world(t)
  runtime.refusal = 'not you'
  plugin.start()
  await eventually(() => heard.filter(line => line === 'lost').length >= 2)
  runtime.refusal = ''
  await runtime.greeted(1)
  await eventually(() => plugin.isConnected)
})
