import t from 'tap'
import { TrustBundles } from '../../src/identity/index.ts'
import { Emitter } from '../../src/lib/emitter.ts'
import { socketAddress } from '../../src/model/address.ts'
import { Contexts } from '../../src/relay/native/contexts.ts'
import { TestAuthority, identityOf } from '../fixtures/authority.ts'
import type { Svid, SvidSource } from '../../src/identity/index.ts'
import type { Context, ContextHolder } from '../../src/relay/native/contexts.ts'
import type { Order } from '../../src/relay/native/protocol.ts'

/** A source whose certificate changes when told; knows how many listen. */
class ChangingSource implements SvidSource {
  readonly #authority = new TestAuthority()
  readonly #changes = new Emitter<Svid | undefined>()
  #svid = this.#issue()
  listeners = 0

  current (): Svid { return this.#svid }
  ready (): Promise<Svid> { return Promise.resolve(this.#svid) }

  onChange (listener: (svid: Svid | undefined) => void): () => void {
    this.listeners++
    const leave = this.#changes.on(listener)
    return () => { this.listeners--; leave() }
  }

  renew (): void {
    this.#svid = this.#issue()
    this.#changes.emit(this.#svid)
  }

  #issue (): Svid { return this.#authority.certificateFor(identityOf()) }
}

function world () {
  const orders: Array<{ readonly by: string, readonly order: Order }> = []
  const source = new ChangingSource()
  const threadOf = (by: string): ContextHolder => ({ post: order => { orders.push({ by, order }) } })
  const [thread, other] = [threadOf(''), threadOf('other ')]
  const contexts = new Contexts([thread, other])
  const state = { trust: new TrustBundles([]) }
  const use = (): Context => contexts.of(source.current(), { svids: source, groups: 'X25519', trust: { bundles: () => state.trust, onChange: () => () => {} } }, thread)
  return { contexts, source, state, use, told: () => orders.splice(0).map(({ by, order }) => `${by}${order.op} ${'context' in order ? order.context : ''}`) }
}

t.test('a thread gets each certificate once, and forgets it when the next one is there', async t => {
  const { source, use, told } = world()
  t.equal(use(), use())
  t.same(told(), ['context 1'])
  source.renew()
  t.same(told(), ['forget 1'])
  use()
  t.same(told(), ['context 2'])
})

t.test('a pod whose certificate is renewed again and again leaves nothing behind', async t => {
  const { contexts, source, use, told } = world()
  for (let i = 0; i < 5; i++) { use(); source.renew() }
  t.equal(source.listeners, 0, 'nobody listens for a certificate that no thread has')
  use()
  t.equal(source.listeners, 1)
  told()
  contexts.close()
  t.equal(source.listeners, 0)
  t.same(told(), ['forget 6'])
})

t.test('what was proven is known to every thread, and goes with the certificate or trust', async t => {
  const { contexts, source, state, use, told } = world()
  const keep = (context: Context): void => { contexts.keep(context, 'peer', { identity: new Uint8Array(16), secret: new Uint8Array(48), chain: [] }, 1000) }
  const first = use()
  keep(first)
  t.same(told(), ['context 1', 'keep 1', 'other context 1', 'other keep 1'])
  source.renew()
  t.same(told(), ['forget 1', 'other forget 1'])
  keep(first)
  t.same(told(), [], 'it comes too late')

  const second = use()
  second.offers.put(socketAddress('10.0.0.1', 80), { key: { identity: new Uint8Array(16), secret: new Uint8Array(48) }, chain: [], untilMs: Infinity })
  t.equal(use(), second)
  state.trust = new TrustBundles([])
  const third = use()
  t.equal(third.offers.find(socketAddress('10.0.0.1', 80), 0), undefined)
  t.same(told(), ['context 2', 'forget 2', 'context 3'])
})
