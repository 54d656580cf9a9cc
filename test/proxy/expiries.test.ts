import t from 'tap'
import { Expiries } from '../../src/proxy/expiries.ts'
import { FakeClock } from '../fixtures/clock.ts'

t.test('all that end at one moment are told then, by one timer', async t => {
  const clock = new FakeClock(1000)
  const expiries = new Expiries(clock)
  const told: string[] = []
  for (const name of ['a', 'b', 'c']) expiries.at(1500, () => { told.push(name) })
  expiries.at(1600, () => { told.push('later') })
  t.equal(clock.waiting, 2)
  clock.advance(499)
  t.same(told, [])
  clock.advance(1)
  t.same(told, ['a', 'b', 'c'])
  clock.advance(100)
  t.same(told, ['a', 'b', 'c', 'later'])
  t.equal(clock.waiting, 0)
})

t.test('who calls off is not told, and the last one takes the timer along', async t => {
  const clock = new FakeClock(1000)
  const expiries = new Expiries(clock)
  const told: string[] = []
  const [first, second] = ['a', 'b'].map(name => expiries.at(1500, () => { told.push(name) }))
  first?.()
  t.equal(clock.waiting, 1)
  second?.()
  t.equal(clock.waiting, 0)
  const third = expiries.at(1500, () => { told.push('c') })
  first?.()
  second?.()
  clock.advance(500)
  t.same(told, ['c'])
  third()
})

t.test('what never ends has no timer, and what has ended is told at once', async t => {
  const clock = new FakeClock(1000)
  const expiries = new Expiries(clock)
  const told: string[] = []
  expiries.at(Infinity, () => { told.push('never') })()
  t.equal(clock.waiting, 0)
  expiries.at(500, () => { told.push('past') })
  clock.advance(0)
  t.same(told, ['past'])
})

t.test('a timer that fires before the time waits for the rest of it', async t => {
  const clock = new FakeClock(1000)
  const early = { now: () => clock.now(), monotonic: () => clock.monotonic(), after: (ms: number, task: () => void) => clock.after(Math.min(ms, 100), task) }
  const expiries = new Expiries(early)
  const told: number[] = []
  expiries.at(1250, () => { told.push(clock.now()) })
  clock.advance(1000)
  t.same(told, [1250])
})
