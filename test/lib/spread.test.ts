import t from 'tap'
import { spreadMs } from '../../src/lib/spread.ts'

t.test('a delay is between nothing and the most', async t => {
  t.equal(spreadMs(5000, () => 0), 0)
  t.ok(spreadMs(5000, () => 1 - 2 ** -53) <= 5000)
})

t.test('of few and of many about one speaks before the others can have heard it', async t => {
  // What a watch takes to tell, as a part of the whole time.
  const [mostMs, heardMs] = [5000, 100]
  for (const speakers of [2, 10, 100, 1000, 5000]) {
    // Speakers at even places stand for random ones: the mean over many draws is what counts.
    const delays = Array.from({ length: speakers }, (_, i) => spreadMs(mostMs, () => (i + 0.5) / speakers)).sort((a, b) => a - b)
    const [first = 0] = delays
    t.ok(delays.filter(ms => ms <= first + heardMs).length <= 4, `of ${speakers}`)
  }
})
