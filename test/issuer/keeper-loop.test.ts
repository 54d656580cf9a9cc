import t from 'tap'
import { Keeper, KeeperLoop, Shared } from '../../src/issuer/index.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { FakeStore } from '../fixtures/kubernetes-fake.ts'
import { memoryLog } from '../fixtures/recorder.ts'

const dayMs = 86_400_000

function world () {
  const clock = new FakeClock()
  const [secrets, publisher, log] = [new FakeStore(), new FakeStore(), memoryLog()]
  const shared = new Shared({ rootsSecret: 'roots', signerSecret: 'signer', bundleConfigMap: 'bundle' }, secrets, publisher)
  const keeper = new Keeper({
    trustDomain: 'east.example', kind: 'generated', refreshHintMs: 300_000, lives: { rootMs: 100 * dayMs, signerMs: 10 * dayMs, leadMs: dayMs }, authority: { trustDomain: 'east.example', clock },
  }, { shared, federated: { current: () => new Map(), learn: () => {} }, clock, log })
  const ticks: unknown[] = []
  const loop = new KeeperLoop({ keeper, clock, log, ticked: error => { ticks.push(error) } })
  return { clock, secrets, publisher, log, keeper, ticks, loop }
}

t.test('looks every fifteen seconds, and puts right what was changed meanwhile', async t => {
  const { clock, publisher, ticks, loop, keeper } = world()
  loop.start()
  clock.advance(14_999)
  t.equal(ticks.length, 0)
  clock.advance(1)
  await eventually(() => ticks.length === 1 && clock.waiting === 1)
  t.type(keeper.ownBundle(), 'string')
  publisher.objects.delete('bundle')
  clock.advance(15_000)
  await eventually(() => ticks.length === 2)
  t.ok(publisher.objects.has('bundle'))
  t.same(ticks, [undefined, undefined])
  await loop.stop()
})

t.test('looks at once when told to, and once more when told while it looks', async t => {
  const { publisher, ticks, loop, clock } = world()
  const { promise, resolve } = Promise.withResolvers<void>()
  publisher.beforeRead = () => promise
  loop.poke()
  loop.poke()
  loop.poke()
  resolve()
  await eventually(() => ticks.length === 2 && clock.waiting === 1)
  await loop.stop()
  t.equal(ticks.length, 2)
})

t.test('after a failure it looks again sooner, says so, and goes on', async t => {
  const { clock, secrets, log, ticks, loop } = world()
  secrets.fails = new Error('connection refused')
  loop.poke()
  await eventually(() => ticks.length === 1 && clock.waiting === 1)
  t.match(ticks[0], { message: 'connection refused' })
  t.match(log.lines.at(-1), { level: 'warn', message: 'authority cannot be kept; what signs now goes on' })
  secrets.fails = undefined
  clock.advance(2000)
  await eventually(() => ticks.length === 2)
  t.equal(ticks[1], undefined)
  await loop.stop()
})

t.test('stopped, it looks no more', async t => {
  const { clock, ticks, loop } = world()
  loop.start()
  await loop.stop()
  loop.poke()
  clock.advance(60_000)
  t.equal(clock.waiting, 0)
  t.same(ticks, [])
})
