/** Of several servers behind one address the first that answers is used. */

import t from 'tap'
import { hedged } from '../../src/issuer/hedged-connector.ts'
import { FakeClock } from '../fixtures/clock.ts'
import type { Connector } from '../../src/issuer/spiffe-tls.ts'

type Callback = Parameters<Connector>[1]
type Socket = Extract<Parameters<Callback>, [null, unknown]>[1]

const options = { hostname: 'issuer', protocol: 'https:', port: '443' }

function world () {
  const clock = new FakeClock()
  const begun: Callback[] = []
  const heard: Parameters<Callback>[] = []
  const connect = hedged((_options, callback) => { begun.push(callback) }, clock)
  connect(options, (...args) => { heard.push(args) })
  return { clock, begun, heard }
}

/** As much of a socket as is asked for. */
function socket (): Socket & { readonly isGone: boolean } {
  const fake = { isGone: false, destroy: () => { fake.isGone = true } }
  return fake as unknown as Socket & { isGone: boolean }
}

t.test('a server that answers at once is dialled once', async t => {
  const { clock, begun, heard } = world()
  const first = socket()
  begun[0]?.(null, first)
  clock.advance(60_000)
  t.equal(begun.length, 1)
  t.same(heard, [[null, first]])
  t.equal(clock.waiting, 0)
})

t.test('who does not answer is not waited for, and closed when it comes late', async t => {
  const { clock, begun, heard } = world()
  clock.advance(150)
  t.equal(begun.length, 2)
  const [late, early] = [socket(), socket()]
  begun[1]?.(null, early)
  begun[0]?.(null, late)
  t.same(heard, [[null, early]])
  t.same([late.isGone, early.isGone], [true, false])
  clock.advance(60_000)
  t.equal(begun.length, 2)
})

t.test('a failure begins the next one at once', async t => {
  const { begun, heard } = world()
  begun[0]?.(new Error('refused'), null)
  t.equal(begun.length, 2)
  const second = socket()
  begun[1]?.(null, second)
  t.same(heard, [[null, second]])
})

t.test('when all have failed the last failure is told, once', async t => {
  const { clock, begun, heard } = world()
  clock.advance(60_000)
  t.equal(begun.length, 5, 'an issuer that is busy is not flooded')
  for (const [i, callback] of begun.entries()) callback(new Error(`failure ${i}`), null)
  t.match(heard, [[{ message: 'failure 4' }, null]])
  t.equal(heard.length, 1)
  t.equal(clock.waiting, 0)
})
