import t from 'tap'
import { TrustBundles } from '../../src/identity/index.ts'
import { maxChains, VerifiedChains } from '../../src/identity/verified-chains.ts'
import { identityOf } from '../fixtures/authority.ts'
import type { VerifiedChain } from '../../src/identity/verified-chains.ts'

const trust = new TrustBundles([])
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)
const verified = (): VerifiedChain => ({ chain: [], identity: identityOf(), attributesBytes: 0, notBeforeMs: 0, notAfterMs: 0 })

t.test('finds what was put, under the same trust only', async t => {
  const chains = new VerifiedChains()
  const one = verified()
  chains.put(trust, [bytes(1)], one)
  t.equal(chains.take(trust, [bytes(1)]), one)
  t.equal(chains.take(new TrustBundles([]), [bytes(1)]), undefined)
})

t.test('the same bytes cut into other certificates are another chain', async t => {
  const chains = new VerifiedChains()
  chains.put(trust, [bytes(1, 2), bytes(3)], verified())
  t.equal(chains.take(trust, [bytes(1), bytes(2, 3)]), undefined)
  t.equal(chains.take(trust, [bytes(1, 2, 3)]), undefined)
})

t.test('the one that was not used for longest goes when there are too many', async t => {
  const chains = new VerifiedChains()
  const chain = (i: number): Uint8Array[] => [bytes(i >> 8, i & 255)]
  for (let i = 0; i < maxChains; i++) chains.put(trust, chain(i), verified())
  t.ok(chains.take(trust, chain(0)), 'used again')
  chains.put(trust, chain(maxChains), verified())
  t.ok(chains.take(trust, chain(0)))
  t.equal(chains.take(trust, chain(1)), undefined)
  t.ok(chains.take(trust, chain(2)))
})
