import t from 'tap'
import { Emitter } from '../../src/lib/emitter.ts'
import { Contexts } from '../../src/relay/native/contexts.ts'
import { TestAuthority, identityOf } from '../fixtures/authority.ts'
import type { Svid, SvidSource } from '../../src/identity/index.ts'
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
  const orders: Order[] = []
  const source = new ChangingSource()
  const contexts = new Contexts()
  const use = (): number => contexts.numberOf(source.current(), { svids: source, groups: 'X25519' }, thread)
  const thread = { post: (order: Order) => { orders.push(order) } }
  return { contexts, source, use, told: () => orders.splice(0).map(order => `${order.op} ${'context' in order ? order.context : ''}`) }
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
