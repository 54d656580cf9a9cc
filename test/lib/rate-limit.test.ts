import t from 'tap'
import { RateLimit } from '../../src/lib/rate-limit.ts'
import { FakeClock } from '../fixtures/clock.ts'

t.test('so many at once, so many a second, never more than at once', async t => {
  const clock = new FakeClock()
  const limit = new RateLimit({ perSecond: 2, burst: 3 }, clock)
  const taken = (): number => { let count = 0; while (limit.take('n1')) count++; return count }
  t.equal(taken(), 3)
  t.equal(limit.has('n1'), false)
  clock.advance(499)
  t.equal(taken(), 0)
  clock.advance(1)
  t.equal(limit.has('n1'), true)
  t.equal(taken(), 1)
  clock.advance(3_600_000)
  t.equal(taken(), 3)
})

t.test('each key has its own, and the memory is bounded', async t => {
  const limit = new RateLimit({ perSecond: 1, burst: 1, mostKeys: 2 }, new FakeClock())
  t.ok(limit.take('a'))
  t.ok(limit.take('b'))
  t.notOk(limit.take('a'))
  t.ok(limit.take('c'), 'b is forgotten now, a was used later')
  t.notOk(limit.take('a'))
})
