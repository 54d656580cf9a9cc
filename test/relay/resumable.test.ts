import t from 'tap'
import { socketAddress } from '../../src/model/address.ts'
import { Offers } from '../../src/relay/native/offers.ts'
import { ResumableTable } from '../../src/relay/native/thread/resumable.ts'
import type { Resumable } from '../../src/relay/native/thread/resumable.ts'

function named (number: number): Resumable {
  const identity = Buffer.alloc(16)
  identity.writeUInt32BE(number)
  return { identity, secret: Buffer.alloc(48, 1), chain: [] }
}

function table () {
  const clock = { nowMs: 0 }
  const resumable = new ResumableTable(() => clock.nowMs)
  const has = (number: number): boolean => resumable.find(1, named(number).identity) !== undefined
  return { clock, resumable, has }
}

t.test('what is kept is found until its time is over, and its key is wiped', async t => {
  const { clock, resumable, has } = table()
  const one = named(1)
  resumable.keep(1, 'a', one, 100)
  t.same(resumable.find(1, one.identity), one)
  t.equal(resumable.find(2, one.identity), undefined, 'another certificate')
  t.notOk(has(2))
  clock.nowMs = 99
  t.ok(has(1))
  clock.nowMs = 100
  t.notOk(has(1))
  resumable.keep(1, 'a', named(2), 100)
  t.same(one.secret, Buffer.alloc(48))
})

t.test('a peer has room for its own last ones, and pushes out nobody else\'s', async t => {
  const { resumable, has } = table()
  resumable.keep(1, 'other', named(0), 100)
  for (let i = 1; i <= 5000; i++) resumable.keep(1, 'greedy', named(i), 100)
  t.ok(has(0))
  t.equal(Array.from({ length: 5001 }, (_, i) => i).filter(has).length, 17)
  t.ok(has(5000))
})

t.test('of many peers those go that were proven first', async t => {
  const { resumable, has } = table()
  for (let i = 0; i < 5000; i++) resumable.keep(1, `peer ${i}`, named(i), 100)
  t.same([has(0), has(903), has(904), has(4999)], [false, false, true, true])
})

t.test('a peer\'s chain is there once', async t => {
  const { resumable } = table()
  const chained = (number: number, text: string): Resumable => ({ ...named(number), chain: [Buffer.from(text), Buffer.from('issuer')] })
  const chainOf = (number: number) => resumable.find(1, named(number).identity)?.chain
  for (const [i, text] of ['old', 'old', 'new'].entries()) resumable.keep(1, 'peer', chained(i, text), 100)
  resumable.keep(1, 'other', chained(3, 'old'), 100)
  t.equal(chainOf(0), chainOf(1))
  t.same(chainOf(0), [Buffer.from('old'), Buffer.from('issuer')])
  t.same(chainOf(2), [Buffer.from('new'), Buffer.from('issuer')])
  t.not(chainOf(3), chainOf(0))
})

t.test('after clear nothing is found, and all keys are wiped', async t => {
  const { resumable, has } = table()
  const all = Array.from({ length: 50 }, (_, i) => named(i))
  for (const one of all) resumable.keep(1, String(one.identity[3]), one, 100)
  const other = named(1000)
  resumable.keep(2, 'peer', other, 100)
  resumable.clear(1)
  t.notOk(all.some((_, i) => has(i)))
  t.ok(all.every(({ secret }) => secret.every(byte => byte === 0)))
  t.ok(resumable.find(2, other.identity), 'that of another certificate stays')
})

t.test('offers are by destination, for a time, and bounded', async t => {
  const offers = new Offers()
  const to = (number: number) => socketAddress(`10.0.${number >> 8}.${number & 255}`, 80)
  const offer = (untilMs: number) => ({ key: named(1), chain: [], untilMs })
  offers.put(to(1), offer(100))
  t.match(offers.find(to(1), 99), { untilMs: 100 })
  t.equal(offers.find(socketAddress('10.0.0.1', 81), 0), undefined)
  t.equal(offers.find(to(1), 100), undefined)
  t.equal(offers.find(to(1), 0), undefined, 'what is over is not kept')
  for (let i = 0; i < 300; i++) offers.put(to(i), offer(100))
  t.equal(Array.from({ length: 300 }, (_, i) => i).filter(i => offers.find(to(i), 0) !== undefined).length, 128)
  offers.drop(to(299))
  t.equal(offers.find(to(299), 0), undefined)
})
