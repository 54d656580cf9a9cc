import t from 'tap'
import { IdentityError, SvidRotation, verifyChain } from '../../src/identity/index.ts'
import { identityOf, TestAuthority } from '../fixtures/authority.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import type { KeyObject } from 'node:crypto'
import type { Issuer, RotationOptions, Svid, TrustBundles } from '../../src/identity/index.ts'
import type { Identity } from '../../src/model/workload.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const hourMs = 3_600_000
const minuteMs = 60_000
const identity = identityOf()
const other = identityOf({ labels: { app: 'batch' } })

/** An issuer that can be told to fail or to keep silent, and counts. */
class FakeIssuer implements Issuer {
  readonly #authority: TestAuthority
  readonly #clock: FakeClock
  mode: 'works' | 'fails' | 'silent' = 'works'
  asked = 0
  readonly keys: KeyObject[] = []
  readonly signals: AbortSignal[] = []
  answer: (identity: Identity) => Identity = identity => identity
  /** Answers wait for it. */
  gate: Promise<void> = Promise.resolve()

  constructor (authority: TestAuthority, clock: FakeClock) {
    this.#authority = authority
    this.#clock = clock
  }

  async issue (identity: Identity, publicKey: KeyObject, ttlMs: number, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    this.asked++
    this.keys.push(publicKey)
    this.signals.push(signal)
    if (this.mode === 'fails') throw new IdentityError('bad-request', 'not today')
    if (this.mode === 'silent') return await new Promise(() => {})
    await this.gate
    return this.#authority.certificateFor(this.answer(identity), { nowMs: this.#clock.now(), ttlMs, template: { publicKey } }).certificates
  }
}

interface World { readonly clock: FakeClock, readonly issuer: FakeIssuer, readonly trust: TrustBundles, readonly rotation: SvidRotation, readonly told: (Svid | undefined)[] }

function world (options: RotationOptions = {}): World {
  const clock = new FakeClock(nowMs)
  const authority = new TestAuthority({ nowMs })
  const issuer = new FakeIssuer(authority, clock)
  const rotation = new SvidRotation(identity, { issuer, clock, trust: authority.trustSource() }, { random: () => 0, ...options })
  const told: (Svid | undefined)[] = []
  rotation.onChange(svid => { told.push(svid) })
  return { clock, issuer, trust: authority.trust(), rotation, told }
}

/** Waits until the try under way has ended. */
async function settled ({ rotation }: World): Promise<void> {
  await eventually(() => rotation.state().nextTryMs !== undefined)
}

async function started (options: RotationOptions = {}): Promise<World & { readonly first: Svid }> {
  const it = world(options)
  it.rotation.start()
  await settled(it)
  const first = it.rotation.current()
  if (first === undefined) throw new Error(it.rotation.state().lastError)
  return { ...it, first }
}

t.test('gives a certificate for the workload, with its own key, for an hour', async t => {
  const { rotation, first, trust, told, issuer } = await started()
  t.match(verifyChain(first.certificates, trust, nowMs), { ok: true, notAfterMs: nowMs + hourMs })
  t.same(first.identity, identity)
  t.equal(first.notAfterMs, nowMs + hourMs)
  t.equal(first.notBeforeMs, nowMs - minuteMs)
  t.same(told, [first])
  t.equal(await rotation.ready(AbortSignal.abort()), first, 'what is there needs no waiting')
  t.same(rotation.state(), { notAfterMs: nowMs + hourMs, nextTryMs: nowMs + hourMs / 2, failures: 0, lastError: undefined })
  rotation.start()
  t.equal(issuer.asked, 1, 'started is started')
})

t.test('before the first certificate there is none, and one can wait', async t => {
  const { rotation } = world()
  t.equal(rotation.current(), undefined)
  await t.rejects(rotation.ready(AbortSignal.abort(new Error('too late'))), { message: 'too late' })
  const abort = new AbortController()
  const waits = rotation.ready(abort.signal)
  abort.abort(new Error('gave up'))
  await t.rejects(waits, { message: 'gave up' })
  const served = rotation.ready(AbortSignal.timeout(10_000))
  rotation.start()
  t.equal(await served, rotation.current())
})

t.test('renews at half of the life with another key, and swaps when the new one is there', async t => {
  const it = await started()
  it.clock.advance(hourMs / 2 - 1)
  t.equal(it.issuer.asked, 1, 'not before')
  it.clock.advance(1)
  t.equal(it.rotation.current(), it.first, 'the old one serves meanwhile')
  await settled(it)
  const second = it.rotation.current()
  t.equal(it.issuer.asked, 2)
  t.equal(second?.notAfterMs, nowMs + hourMs * 1.5)
  t.notOk(it.issuer.keys[0]?.equals(it.issuer.keys[1] ?? it.issuer.keys[0]), 'a key is used for one certificate')
  t.same(it.told, [it.first, second])
})

t.test('the moment of renewal is spread over a tenth of the life', async t => {
  const { rotation } = await started({ random: () => 0.999_999 })
  t.equal(Math.round((rotation.state().nextTryMs ?? 0) / 1000), (nowMs + hourMs * 0.4) / 1000)
})

t.test('the old one is kept while renewal fails, tries are further and further apart, and success ends it', async t => {
  const it = await started({ random: () => 0.5, retry: { firstMs: 1000, mostMs: 8000 } })
  const errors: unknown[] = []
  it.rotation.onFailure(error => { errors.push(error) })
  it.issuer.mode = 'fails'
  const pauses: number[] = []
  it.clock.advance((it.rotation.state().nextTryMs ?? 0) - nowMs)
  for (let i = 0; i < 6; i++) {
    await settled(it)
    t.equal(it.rotation.current(), it.first)
    t.match(it.rotation.state(), { failures: i + 1, lastError: 'not today' })
    const pause = (it.rotation.state().nextTryMs ?? 0) - it.clock.now()
    pauses.push(pause)
    if (i === 5) it.issuer.mode = 'works'
    it.clock.advance(pause)
  }
  t.same(pauses, [750, 1500, 3000, 6000, 6000, 6000])
  t.equal(errors.length, 6)
  await settled(it)
  t.match(it.rotation.state(), { failures: 0, lastError: undefined })
  t.not(it.rotation.current(), it.first)
})

t.test('without renewal it is gone when it ends, and everybody is told', async t => {
  const it = await started()
  it.issuer.mode = 'fails'
  while (it.clock.now() < nowMs + hourMs) {
    t.equal(it.rotation.current(), it.first)
    it.clock.advance(Math.min(minuteMs, nowMs + hourMs - it.clock.now()))
    await settled(it)
  }
  t.equal(it.rotation.current(), it.first, 'the last moment is still its own')
  it.clock.advance(1)
  t.equal(it.rotation.current(), undefined)
  t.same(it.told, [it.first, undefined])
  t.equal(it.rotation.state().notAfterMs, undefined)
  it.issuer.mode = 'works'
  const waits = it.rotation.ready(AbortSignal.timeout(10_000))
  await settled(it)
  it.clock.advance((it.rotation.state().nextTryMs ?? 0) - it.clock.now())
  t.match(await waits, { notAfterMs: /^\d+$/ })
})

t.test('a silent issuer is given up after a time, even when it does not listen to the signal', async t => {
  const it = world({ issueTimeoutMs: 5000 })
  it.issuer.mode = 'silent'
  it.rotation.start()
  await eventually(() => it.issuer.asked === 1)
  it.clock.advance(5000)
  await settled(it)
  t.match(it.rotation.state(), { failures: 1, lastError: 'the issuer did not answer within 5000 ms' })
  t.ok(it.issuer.signals[0]?.aborted)
})

t.test('a changed label withdraws the certificate at once, and a new one is asked for', async t => {
  const it = await started()
  it.rotation.refresh(other)
  t.equal(it.rotation.current(), undefined, 'the old one says what is no longer so')
  const next = await it.rotation.ready(AbortSignal.timeout(10_000))
  t.match(next.identity.attributes.labels, { app: 'batch' })
  t.same(it.told, [it.first, undefined, next])
})

t.test('changed again while the issuer works: only the last one counts', async t => {
  const it = await started()
  it.issuer.mode = 'silent'
  it.rotation.refresh(other)
  await eventually(() => it.issuer.asked === 2)
  it.issuer.mode = 'works'
  it.rotation.refresh(identityOf({ labels: { app: 'third' } }))
  t.ok(it.issuer.signals[1]?.aborted)
  const next = await it.rotation.ready(AbortSignal.timeout(10_000))
  t.match(next.identity.attributes.labels, { app: 'third' })
  t.equal(it.rotation.state().failures, 0, 'what was abandoned did not fail')
})

t.test('a change after failures is tried at once', async t => {
  const it = world()
  it.issuer.mode = 'fails'
  it.rotation.start()
  await settled(it)
  it.issuer.mode = 'works'
  it.rotation.refresh(other)
  t.match((await it.rotation.ready(AbortSignal.timeout(10_000))).identity.attributes.labels, { app: 'batch' })
})

t.test('a change of nothing that is signed changes nothing', async t => {
  const it = await started()
  it.rotation.refresh(identityOf())
  it.rotation.refresh(identityOf({ labels: { ...identity.attributes.labels, 'pod-template-hash': 'abc' } }))
  t.equal(it.rotation.current(), it.first)
  t.equal(it.issuer.asked, 1)
})

t.test('an answer that is not for this workload and this key is refused', async t => {
  for (const [name, answer, message] of [
    ['another pod', () => identityOf({ name: 'web-1' }), /for another workload/],
    ['another uid', () => identityOf({ uid: 'other' }), /for another workload/],
    ['another account', () => identityOf({}, { serviceAccount: 'admin' }), /for another workload/],
    ['another trust domain', () => identityOf({}, { trustDomain: 'west.example' }), /would not be accepted/],
  ] as const) {
    const it = world()
    it.issuer.answer = answer
    it.rotation.start()
    await settled(it)
    t.equal(it.rotation.current(), undefined, name)
    t.match(it.rotation.state().lastError, message, name)
  }
})

t.test('an answer for another key is refused', async t => {
  const clock = new FakeClock(nowMs)
  const authority = new TestAuthority({ nowMs })
  const issuer: Issuer = { issue: async identity => authority.certificateFor(identity).certificates }
  const rotation = new SvidRotation(identity, { issuer, clock, trust: authority.trustSource() })
  rotation.start()
  await eventually(() => rotation.state().failures === 1)
  t.match(rotation.state().lastError, /for another key/)
})

t.test('a clock that jumps past the end is noticed within a minute of sleep', async t => {
  const it = await started()
  t.ok(it.clock.waiting > 0)
  it.issuer.mode = 'silent'
  it.clock.advance(2 * hourMs)
  t.equal(it.rotation.current(), undefined)
  t.ok(it.told.includes(undefined))
})

t.test('stopped, it has nothing, wants nothing, and does not begin again', async t => {
  const it = await started()
  it.rotation.stop()
  t.equal(it.rotation.current(), undefined)
  t.equal(it.clock.waiting, 0)
  it.rotation.refresh(other)
  it.rotation.start()
  it.clock.advance(hourMs)
  t.equal(it.issuer.asked, 1)
  t.same(it.told, [it.first, undefined])
})

t.test('stopped while the issuer works, its answer is not taken', async t => {
  const it = world()
  const gate = Promise.withResolvers<void>()
  it.issuer.gate = gate.promise
  it.rotation.start()
  await eventually(() => it.issuer.asked === 1)
  it.rotation.stop()
  gate.resolve()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(it.rotation.current(), undefined)
  t.same(it.told, [])
  t.equal(it.clock.waiting, 0, 'and there is no other try')
  t.equal(it.rotation.state().failures, 0)
})
