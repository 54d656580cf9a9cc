import t from 'tap'
import { Bell, Epoll, Memory, Pipe, census, errnos, events, read, splice, traceLive, write } from '../../src/sys/index.ts'
import { localPair } from '../fixtures/local-pair.ts'

traceLive(true)

/** The events that one look finds, by index and generation. */
function look (epoll: Epoll): string[] {
  const seen: string[] = []
  epoll.wait(0, (index, generation, bits) => { seen.push(`${index}/${generation} ${bits & events.in ? 'in' : ''}${bits & events.readHangUp ? ' hang-up' : ''}`.trim()) })
  return seen
}

t.test('an edge comes once, with the token of its registration', async t => {
  using epoll = new Epoll()
  const [one, other] = localPair()
  epoll.addConnection(one.number, 7, -3)
  t.same(look(epoll), ['7/-3'], 'writable')
  const bytes = new Memory(4)
  write(other.number, bytes.address, 4)
  t.same(look(epoll), ['7/-3 in'])
  t.same(look(epoll), [], 'nobody has read, and it is not told again')
  other.close()
  t.same(look(epoll), ['7/-3 in hang-up'])
  one.close()
  t.same(look(epoll), [])
})

t.test('a bell wakes as often as it is rung, though nobody reads it', async t => {
  using epoll = new Epoll()
  using bell = new Bell()
  epoll.addWake(bell.number, 0, 0)
  for (let i = 0; i < 3; i++) {
    t.same(look(epoll), [])
    bell.ring()
    t.same(look(epoll), ['0/0 in'])
  }
})

t.test('bytes pass through a pipe from socket to socket', async t => {
  const [left, from] = localPair()
  const [to, right] = localPair()
  using pipe = new Pipe()
  t.ok(pipe.capacity >= 64 * 1024)
  const bytes = new Memory(1000)
  bytes.bytes.fill(5)
  write(left.number, bytes.address, 1000)
  t.equal(splice(from.number, pipe.into, pipe.capacity), 1000)
  t.equal(splice(from.number, pipe.into, pipe.capacity), -errnos.EAGAIN)
  t.equal(splice(pipe.from, to.number, 1000), 1000)
  const got = new Memory(2000)
  t.equal(read(right.number, got.address, 2000), 1000)
  t.ok(got.bytes.subarray(0, 1000).every(byte => byte === 5))
  left.close()
  t.equal(splice(from.number, pipe.into, pipe.capacity), 0, 'the end')
  for (const fd of [from, to, right]) fd.close()
})

t.test('memory has no addresses outside of itself', async t => {
  const memory = new Memory(10)
  t.equal(memory.at(10) - memory.address, 10)
  t.throws(() => memory.at(11), RangeError)
  t.throws(() => memory.at(-1), RangeError)
})

t.test('nothing is left alive by all of the above', t => {
  t.same(census(), { counts: {}, makers: [] })
  t.end()
})
