import t from 'tap'
import { bundleOf, maySign, nextGivenStep, nextStep } from '../../src/issuer/timetable.ts'
import type { Lives, RootFacts, SignerFacts, Step } from '../../src/issuer/timetable.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const startMs = Date.UTC(2026, 10, 23)
const lives: Lives = { rootMs: 100 * dayMs, signerMs: 10 * dayMs, leadMs: dayMs }

/** Carries out what the timetable says, as the keeper does, and writes down what happened when. */
class Simulation {
  nowMs = startMs
  roots: RootFacts[] = []
  signer: SignerFacts | undefined
  readonly events: { readonly day: number, readonly what: string }[] = []
  /** All that any certificate was ever signed by: root and end of its signer. */
  readonly signed: { readonly rootId: string, readonly untilMs: number }[] = []
  #made = 0

  settle (): void {
    for (let step = this.#next(), i = 0; step !== undefined; step = this.#next(), i++) {
      if (i > 20) throw new Error(`does not come to rest: ${JSON.stringify(step)}`)
      this.#apply(step)
    }
  }

  advance (ms: number, byMs: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) { this.nowMs += byMs; this.settle() }
  }

  #next (): Step | undefined { return nextStep(this.roots, this.signer, lives, this.nowMs) }

  #change (id: string, change: Partial<RootFacts>): void {
    this.roots = this.roots.map(root => root.id === id ? { ...root, ...change } : root)
  }

  #apply (step: Step): void {
    const { nowMs } = this
    this.events.push({ day: (nowMs - startMs) / dayMs, what: 'rootId' in step ? `${step.kind} ${step.rootId}` : step.kind })
    switch (step.kind) {
      case 'make-root': this.roots.push({ id: `r${++this.#made}`, notBeforeMs: nowMs, notAfterMs: nowMs + lives.rootMs, hasKey: true, publishedMs: undefined, neededUntilMs: 0 }); break
      case 'publish': this.roots = this.roots.map(root => ({ ...root, publishedMs: root.publishedMs ?? nowMs })); break
      case 'make-signer': {
        const notAfterMs = Math.min(nowMs + lives.signerMs, this.roots.find(({ id }) => id === step.rootId)?.notAfterMs ?? 0)
        this.#change(step.rootId, { neededUntilMs: notAfterMs })
        this.signer = { rootId: step.rootId, notBeforeMs: nowMs, notAfterMs }
        this.signed.push({ rootId: step.rootId, untilMs: notAfterMs })
        break
      }
      case 'forget-key': this.#change(step.rootId, { hasKey: false }); break
      case 'drop-root': this.roots = this.roots.filter(({ id }) => id !== step.rootId)
    }
  }
}

t.test('the first start: a root, published, and at once a signer', async t => {
  const it = new Simulation()
  it.settle()
  t.same(it.events.map(({ what }) => what), ['make-root', 'publish', 'make-signer r1'])
})

t.test('a signer is replaced at half of its life, by the same root', async t => {
  const it = new Simulation()
  it.settle()
  it.advance(5 * dayMs - hourMs, hourMs)
  t.equal(it.events.length, 3)
  it.advance(hourMs, hourMs)
  t.same(it.events.at(-1), { day: 5, what: 'make-signer r1' })
})

t.test('the life of two roots, by the clock', async t => {
  const it = new Simulation()
  it.settle()
  it.advance(130 * dayMs, hourMs)
  const day = (what: string): number | undefined => it.events.find(event => event.what === what)?.day
  const madeAt = it.events.filter(({ what }) => what === 'make-root')[1]?.day ?? 0
  t.equal(Math.floor(madeAt), 89, 'made while there is room for the lead and a whole signer')
  t.equal(day('make-signer r2'), madeAt + 1, 'signs a day, the lead, after it was published')
  t.equal(day('forget-key r1'), madeAt + 1, 'whose work is done keeps no key')
  const lastOfFirst = Math.max(...it.signed.filter(({ rootId }) => rootId === 'r1').map(({ untilMs }) => untilMs))
  t.equal(day('drop-root r1'), (lastOfFirst - startMs) / dayMs + 1 / 24, 'dropped at the first look after everything that it signed has ended')
})

t.test('through ten generations nothing is signed by a root that was not known for the lead, and nothing good is ever dropped', async t => {
  const it = new Simulation()
  it.settle()
  const publishedFor = new Map<string, number>()
  let problems = 0
  let seen = it.signed.length
  for (let i = 0; i < 1000 * 4; i++) {
    const before = new Map(it.roots.map(root => [root.id, root.publishedMs]))
    it.advance(6 * hourMs, 6 * hourMs)
    for (const { rootId } of it.signed.slice(seen)) {
      const publishedMs = before.get(rootId)
      if (publishedMs === undefined || publishedMs + lives.leadMs > it.nowMs) problems++
    }
    seen = it.signed.length
    const bundle = bundleOf(it.roots, it.nowMs)
    if (it.signed.some(({ rootId, untilMs }) => untilMs >= it.nowMs && !bundle.includes(rootId))) problems++
    if (it.signer === undefined || it.signer.notAfterMs < it.nowMs + lives.signerMs / 4) problems++
    if (it.roots.length > 2) problems++
    for (const id of bundle) publishedFor.set(id, (publishedFor.get(id) ?? 0) + 1)
  }
  t.equal(problems, 0)
  t.ok(publishedFor.size >= 10, `${publishedFor.size} generations`)
})

t.test('after a long time off it begins anew at once: nobody can still believe the old one', async t => {
  const it = new Simulation()
  it.settle()
  it.nowMs += 200 * dayMs
  it.settle()
  t.same(it.events.slice(3).map(({ what }) => what), ['make-root', 'publish', 'make-signer r2', 'drop-root r1'])
})

t.test('a root whose key was lost is kept while it is needed, and a new one waits for its lead', async t => {
  const it = new Simulation()
  it.settle()
  it.roots = it.roots.map(root => ({ ...root, hasKey: false }))
  it.settle()
  t.same(it.events.slice(3).map(({ what }) => what), ['make-root', 'publish'], 'the signer of the old one goes on')
  t.equal(it.signer?.rootId, 'r1')
  it.advance(dayMs, hourMs)
  t.equal(it.signer?.rootId, 'r2')
  it.advance(11 * dayMs, hourMs)
  t.same(bundleOf(it.roots, it.nowMs), ['r2'])
})

t.test('a clock that was set back confuses nobody: the order of the roots counts', async t => {
  const it = new Simulation()
  it.settle()
  it.roots = it.roots.map(root => ({ ...root, hasKey: false }))
  it.settle()
  it.roots = it.roots.map(root => root.id === 'r2' ? { ...root, notBeforeMs: startMs - dayMs } : root)
  it.settle()
  t.equal(it.events.at(-1)?.what, 'publish', 'the key of the one that is yet to sign is kept')
  it.advance(dayMs, hourMs)
  t.equal(it.signer?.rootId, 'r2')
})

t.test('given keys: published, kept while what they signed lives, dropped afterwards', async t => {
  const root = (id: string, facts: Partial<RootFacts> = {}): RootFacts => ({ id, notBeforeMs: startMs, notAfterMs: startMs + 100 * dayMs, hasKey: false, publishedMs: startMs, neededUntilMs: startMs + dayMs, ...facts })
  t.same(nextGivenStep([root('a', { publishedMs: undefined }), root('b')], ['a'], startMs), { kind: 'publish', roots: ['a', 'b'] })
  t.equal(nextGivenStep([root('a'), root('b')], ['a'], startMs + dayMs), undefined)
  t.same(nextGivenStep([root('a'), root('b')], ['a'], startMs + dayMs + 1), { kind: 'drop-root', rootId: 'b' })
  t.equal(nextGivenStep([root('a')], ['a'], startMs + 50 * dayMs), undefined, 'what is given stays')
})

t.test('a root signs when it is the only one that counts, or has been published for the lead', async t => {
  const root = (id: string, facts: Partial<RootFacts> = {}): RootFacts => ({ id, notBeforeMs: startMs, notAfterMs: startMs + 100 * dayMs, hasKey: true, publishedMs: startMs, neededUntilMs: 0, ...facts })
  const busy = root('old', { neededUntilMs: startMs + 9 * dayMs })
  t.equal(maySign(root('a', { publishedMs: undefined }), [root('a')], dayMs, startMs), false)
  t.equal(maySign(root('a'), [root('a')], dayMs, startMs), true)
  t.equal(maySign(root('a'), [root('a'), busy], dayMs, startMs + dayMs - 1), false)
  t.equal(maySign(root('a'), [root('a'), busy], dayMs, startMs + dayMs), true)
  t.equal(maySign(root('a'), [root('a')], dayMs, startMs + 101 * dayMs), false, 'one that has ended never')
})
