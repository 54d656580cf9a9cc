/** The small files of src/lib that need one test each. */

import fc from 'fast-check'
import t from 'tap'
import { backoffMs } from '../../src/lib/backoff.ts'
import { ByteReader } from '../../src/lib/bytes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { parseDuration } from '../../src/lib/duration.ts'
import { codeOf, messageOf } from '../../src/lib/error.ts'
import { follow } from '../../src/lib/follow.ts'
import { nearest } from '../../src/lib/nearest.ts'

t.test('durations', async t => {
  for (const [text, ms] of [['250ms', 250], ['10s', 10_000], ['5m', 300_000], ['1h', 3_600_000], ['1h30m', 5_400_000], ['1m500ms', 60_500], ['0s', 0]] as const) t.equal(parseDuration(text), ms, text)
  for (const text of ['', '10', '1 s', '-1s', '1.5h', '1s1h', '1d', 's', '1S', '9999999999s']) t.equal(parseDuration(text), undefined, text)
})

t.test('who follows a signal hears of it once, and not after leaving', async t => {
  const stop = new AbortController()
  const heard: unknown[] = []
  const tell = (reason: unknown): void => { heard.push(reason) }
  const leave = follow(stop.signal, tell)
  follow(stop.signal, tell)
  leave()
  leave()
  stop.abort('why')
  t.same(heard, ['why'])
  follow(stop.signal, tell)
  t.same(heard, ['why', 'why'], 'at once where it has aborted')
})

t.test('the nearest name, or none', async t => {
  t.equal(nearest('lables', ['labels', 'ports']), 'labels')
  t.equal(nearest('Timeout', ['timeout']), 'timeout')
  t.equal(nearest('xyz', ['labels', 'ports']), undefined)
  t.equal(nearest('x', []), undefined)
})

t.test('delays grow to their ceiling and spread over its upper half', async t => {
  t.equal(backoffMs(0, { random: () => 0 }), 50)
  t.equal(backoffMs(3, { random: () => 0.5 }), 600)
  t.equal(backoffMs(1000, { random: () => 1 }), 30_000)
  fc.assert(fc.property(fc.nat(60), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
    const ms = backoffMs(attempt, { random: () => random })
    return ms >= 50 && ms <= 30_000
  }))
})

t.test('a reader of bytes believes no length', async t => {
  const reader = new ByteReader(Uint8Array.of(1, 0, 2, 0, 0, 0, 3, 9, 9))
  t.equal(reader.uint8(), 1)
  t.equal(reader.uint16(), 2)
  t.equal(reader.uint32(), 3)
  t.throws(() => reader.take(3), { message: '3 bytes wanted, 2 left' })
  t.throws(() => reader.uint32(), RangeError)
  t.same(reader.take(2), Uint8Array.of(9, 9))
  t.equal(reader.left, 0)
  t.throws(() => reader.uint8(), RangeError)
})

t.test('a reader of a part of a buffer stays within it', async t => {
  const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4).subarray(1, 3))
  t.equal(reader.uint16(), 0x0203)
  t.throws(() => reader.uint8(), RangeError)
})

t.test('errors as data', async t => {
  const inner = Object.assign(new Error('inner'), { code: 'EPIPE' })
  const outer = new Error('outer', { cause: inner })
  t.equal(codeOf(outer), 'EPIPE')
  t.equal(messageOf(outer), 'outer: inner')
  t.equal(codeOf('text'), undefined)
  t.equal(messageOf('text'), 'text')
  const loop = new Error('loop')
  loop.cause = loop
  t.equal(codeOf(loop), undefined, 'an error that is its own cause ends')
  t.match(messageOf(loop), /^loop: loop/)
})

t.test('the clock of the machine runs timers, and not cancelled ones', async t => {
  const fired: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  systemClock.after(1, () => { fired.push('cancelled') }).cancel()
  systemClock.after(-5, () => { fired.push('past') })
  const later = systemClock.after(3e10, () => { fired.push('in a year') })
  // Such timers do not keep the process alive; this one does, until the last is through.
  const alive = setInterval(() => {}, 1000)
  systemClock.after(20, resolve)
  await promise
  clearInterval(alive)
  later.cancel()
  t.same(fired, ['past'])
  t.ok(systemClock.now() > 1e12)
  t.ok(systemClock.monotonic() <= systemClock.monotonic())
})
