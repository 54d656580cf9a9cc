import t from 'tap'
import { newAuthorityFiles, newIntermediateFiles, verifyChain } from '../../src/identity/index.ts'
import { parseBundle } from '../../src/issuer/bundle.ts'
import { Keeper, Shared } from '../../src/issuer/index.ts'
import { identityOf, p256, TestAuthority } from '../fixtures/authority.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { FakeStore } from '../fixtures/kubernetes-fake.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { Bundle } from '../../src/issuer/bundle.ts'
import type { KeeperOptions } from '../../src/issuer/index.ts'

const nowMs = Date.UTC(2026, 10, 23)
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const never = new AbortController().signal
const trustDomain = 'east.example'

class World {
  readonly clock = new FakeClock(nowMs)
  readonly secrets = new FakeStore()
  readonly publisher = new FakeStore()
  readonly log = memoryLog()
  readonly federated = new Map<string, Bundle>()
  readonly learned: string[][] = []

  keeper (options: Partial<KeeperOptions> = {}, clock = this.clock): Keeper {
    const { log } = this
    const shared = new Shared({ rootsSecret: 'roots', signerSecret: 'signer', bundleConfigMap: 'bundle' }, this.secrets, this.publisher)
    const federated = { current: () => this.federated, learn: (published: ReadonlyMap<string, Bundle>) => { this.learned.push([...published.keys()]) } }
    return new Keeper({
      trustDomain, kind: 'generated', refreshHintMs: 300_000, lives: { rootMs: 100 * dayMs, signerMs: 10 * dayMs, leadMs: dayMs },
      authority: { trustDomain, clock }, ...options,
    }, { shared, federated, clock, log })
  }

  get published (): Bundle { return parseBundle(this.publisher.objects.get('bundle')?.data['bundle.json'] ?? '', trustDomain) }
  signerRoot (): string { return this.secrets.objects.get('signer')?.data['ca.crt'] ?? '' }
  rootsJson (): string { return this.secrets.objects.get('roots')?.data['roots.json'] ?? '' }

  give (keyPem: string, chainPem: string, rootsPem: string): void {
    this.secrets.set('signer', { 'tls.key': keyPem, 'tls.crt': chainPem, 'ca.crt': rootsPem })
  }
}

async function signs (keeper: Keeper, clock: FakeClock): Promise<unknown> {
  const chain = await keeper.authority().issue(identityOf(), p256().publicKey, hourMs)
  return verifyChain(chain, keeper.bundles(), clock.now())
}

/** So many days of an issuer that runs. */
async function live (keeper: Keeper, clock: FakeClock, days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    clock.advance(dayMs)
    await keeper.tick(never)
  }
}

t.test('from nothing to a signer: what it signs is believed by whoever reads the bundle', async t => {
  const it = new World()
  const keeper = it.keeper()
  t.throws(() => keeper.authority(), { code: 'unavailable' })
  t.equal(keeper.ownBundle(), undefined)
  await keeper.tick(never)
  t.match(await signs(keeper, it.clock), { ok: true })
  t.equal((await keeper.authority().issue(identityOf(), p256().publicKey, hourMs)).length, 2, 'signed by an intermediate')
  t.equal(it.published.roots.length, 1)
  t.equal(it.publisher.objects.get('bundle')?.data['bundle.pem'], it.published.roots[0]?.pem)
  t.equal(keeper.ownBundle(), it.publisher.objects.get('bundle')?.data['bundle.json'])
  const bundleFirst = it.publisher.writes.length === 1 && it.secrets.writes.at(-1) === 'signer'
  t.ok(bundleFirst, 'nothing signs before its root is published')
})

t.test('looking again changes nothing', async t => {
  const it = new World()
  const keeper = it.keeper()
  await keeper.tick(never)
  const writes = it.secrets.writes.length
  it.clock.advance(dayMs)
  await keeper.tick(never)
  await it.keeper().tick(never)
  t.equal(it.secrets.writes.length, writes)
  t.equal(it.publisher.writes.length, 1)
})

t.test('replicas that start at once agree, however they overtake each other', async t => {
  for (const replicas of [2, 3]) {
    const it = new World()
    const keepers = Array.from({ length: replicas }, () => it.keeper())
    await Promise.all(keepers.map(keeper => keeper.tick(never)))
    await Promise.all(keepers.map(keeper => keeper.tick(never)))
    t.equal(new Set(keepers.map(keeper => keeper.authority().root.pem)).size, 1)
    t.equal(it.published.roots.length, 1)
    for (const keeper of keepers) t.match(verifyChain(await keeper.authority().issue(identityOf(), p256().publicKey, hourMs), keepers[0]?.bundles() ?? keeper.bundles(), nowMs), { ok: true })
  }
})

t.test('a replica that is behind does not take back what another has published', async t => {
  const it = new World()
  const slow = it.keeper()
  await live(slow, it.clock, 86) // has a new signer today
  const quick = it.keeper({}, new FakeClock(nowMs + 90.2 * dayMs)) // to whose clock a new root is due, and no new signer
  const west = new TestAuthority({ trustDomain: 'west.example', nowMs })
  it.federated.set('west.example', { roots: [west.root], sequence: 1, refreshHintMs: 60_000, skipped: [] })
  let reads = 0
  const overtaken = async (): Promise<void> => {
    if (++reads !== 2) return
    await quick.tick(never)
    const entry = it.secrets.objects.get('roots')
    t.equal((JSON.parse(entry?.data['roots.json'] ?? '') as { roots: unknown[] }).roots.length, 2) // our own form
  }
  it.secrets.beforeRead = overtaken
  it.publisher.beforeRead = overtaken
  const bundles: number[] = []
  it.publisher.beforeWrite = () => { bundles.push(it.published.roots.length) }
  await slow.tick(never)
  t.equal(it.published.roots.length, 2)
  t.same(bundles.slice(1), [...bundles.slice(1)].sort((a, b) => a - b), 'the bundle only grows')
})

t.test('a root is published when it is, and not when somebody else was first', async t => {
  const it = new World()
  const seen: boolean[] = []
  it.publisher.beforeWrite = () => {
    seen.push(/publishedMs/.test(it.rootsJson()))
    if (seen.length === 1) it.publisher.set('bundle', { 'bundle.pem': 'of somebody else' })
  }
  await it.keeper().tick(never)
  t.same(seen, [false, false])
  t.equal(it.published.roots.length, 1)
})

t.test('the sequence grows with a change even when the clock was once ahead', async t => {
  const it = new World()
  await it.keeper().tick(never)
  const data = it.publisher.objects.get('bundle')?.data ?? {}
  const far = (nowMs + 1000 * dayMs) / 1000
  it.publisher.set('bundle', { ...data, 'bundle.json': (data['bundle.json'] ?? '').replace(/"spiffe_sequence":\d+/, `"spiffe_sequence":${far}`) })
  await it.keeper().tick(never)
  t.equal(it.published.sequence, far, 'the same roots, the same number')
  await live(it.keeper(), it.clock, 90)
  t.equal(it.published.roots.length, 2)
  t.equal(it.published.sequence, far + 1)
})

t.test('two that never end to overtake each other say so', async t => {
  const it = new World()
  it.secrets.beforeWrite = name => { it.secrets.set(name, { 'roots.json': '{"roots":[]}' }) }
  await t.rejects(it.keeper().tick(never), { code: 'conflict' })
})

t.test('roots follow each other without a gap in belief, by the clock', async t => {
  const it = new World()
  const keeper = it.keeper()
  await keeper.tick(never)
  const first = keeper.authority().root
  const leaves: { readonly chain: readonly Uint8Array[], readonly untilMs: number }[] = []
  const domains = new Set<string>()
  let sequence = it.published.sequence ?? 0
  let most = 0
  let problems = 0
  for (let day = 0; day < 120; day++) {
    it.clock.advance(dayMs)
    await keeper.tick(never)
    leaves.push({ chain: await keeper.authority().issue(identityOf(), p256().publicKey, 3 * dayMs), untilMs: it.clock.now() + 3 * dayMs })
    for (const { chain, untilMs } of leaves) if (it.clock.now() <= untilMs && !verifyChain(chain, keeper.bundles(), it.clock.now()).ok) problems++
    if ((it.published.sequence ?? 0) < sequence) problems++
    sequence = it.published.sequence ?? 0
    most = Math.max(most, it.published.roots.length)
    domains.add(keeper.authority().root.pem)
  }
  t.equal(problems, 0)
  t.equal(most, 2, 'for a while both are there')
  t.equal(domains.size, 2)
  t.equal(it.published.roots.length, 1, 'the old one is gone')
  t.not(it.published.roots[0]?.pem, first.pem)
  t.notMatch(it.rootsJson(), JSON.stringify(first.pem))
})

t.test('a ConfigMap that somebody has changed or deleted is put right, and the sequence grows', async t => {
  const it = new World()
  const keeper = it.keeper()
  await keeper.tick(never)
  const { sequence = 0 } = it.published
  const stranger = new TestAuthority({ trustDomain, nowMs })
  it.publisher.set('bundle', { 'bundle.pem': stranger.root.pem, 'bundle.json': '{}', 'more': 'x' })
  it.clock.advance(5000)
  await keeper.tick(never)
  t.same(Object.keys(it.publisher.objects.get('bundle')?.data ?? {}).sort(), ['bundle.json', 'bundle.pem'])
  t.same(it.published.roots.map(({ pem }) => pem), [keeper.authority().root.pem])
  t.equal(it.published.sequence, sequence + 5)
  it.publisher.objects.delete('bundle')
  await keeper.tick(never)
  t.equal(it.published.roots.length, 1)
})

t.test('the Secret of roots was lost: the signer goes on, its root stays, a new root waits', async t => {
  const it = new World()
  const keeper = it.keeper()
  await keeper.tick(never)
  const before = it.signerRoot()
  it.secrets.objects.delete('roots')
  await keeper.tick(never)
  t.equal(it.signerRoot(), before)
  t.equal(it.published.roots.length, 2)
  it.clock.advance(2 * dayMs)
  await keeper.tick(never)
  t.not(it.signerRoot(), before)
  t.match(await signs(keeper, it.clock), { ok: true })
})

t.test('the signer\'s Secret was lost: another one is made by the same root', async t => {
  const it = new World()
  const keeper = it.keeper()
  await keeper.tick(never)
  const before = it.signerRoot()
  it.secrets.objects.delete('signer')
  await keeper.tick(never)
  t.equal(it.signerRoot(), before)
  t.match(await signs(keeper, it.clock), { ok: true })
})

t.test('while Kubernetes is away what signs goes on signing', async t => {
  const it = new World()
  const keeper = it.keeper()
  await keeper.tick(never)
  it.secrets.fails = new Error('connection refused')
  await t.rejects(keeper.tick(never), { message: 'connection refused' })
  t.match(await signs(keeper, it.clock), { ok: true })
  it.clock.advance(11 * dayMs)
  t.throws(() => keeper.authority(), { code: 'unavailable' }, 'until it has ended')
})

t.test('a Secret that holds something else is refused, without telling what', async t => {
  for (const [text, problem] of [['not json', /Secret roots: roots\.json: it is not JSON$/], ['{"roots":7}', /a list/], ['{"roots":[{"certificate":"x","key":"TOPSECRET","neededUntilMs":0}]}', /Secret roots/]] as const) {
    const it = new World()
    it.secrets.set('roots', { 'roots.json': text })
    await t.rejects(it.keeper().tick(never), { code: 'bad-secret', message: problem })
    await it.keeper().tick(never).catch((error: unknown) => { t.notMatch(String(error), /TOPSECRET/) })
  }
})

t.test('given keys, as cert-manager writes them: an intermediate below a root, or a root itself', async t => {
  const root = newAuthorityFiles(trustDomain, nowMs)
  const below = newIntermediateFiles(root, nowMs, 30 * dayMs)
  for (const [what, keyPem, chain, length] of [
    ['an intermediate', below.keyPem, below.certificatePem, 2],
    ['an intermediate with its root behind', below.keyPem, below.certificatePem + root.certificatePem, 2],
    ['a root', root.keyPem, root.certificatePem, 1],
  ] as const) {
    const it = new World()
    it.give(keyPem, chain, root.certificatePem)
    const keeper = it.keeper({ kind: 'given' })
    await keeper.tick(never)
    t.match(await signs(keeper, it.clock), { ok: true }, what)
    t.equal((await keeper.authority().issue(identityOf(), p256().publicKey, hourMs)).length, length, what)
    t.same(it.secrets.writes.filter(name => name === 'signer'), [], 'the given Secret is only read')
    t.notMatch(it.rootsJson(), /PRIVATE/, 'no key is copied')
  }
})

t.test('a new given root is published first and signs after the lead; the old one stays while it is needed', async t => {
  const it = new World()
  const [a, b] = [newAuthorityFiles(trustDomain, nowMs), newAuthorityFiles(trustDomain, nowMs)]
  const below = newIntermediateFiles(a, nowMs, 30 * dayMs)
  it.give(below.keyPem, below.certificatePem, a.certificatePem)
  const keeper = it.keeper({ kind: 'given' })
  await keeper.tick(never)
  const next = newIntermediateFiles(b, nowMs, 60 * dayMs)
  it.give(next.keyPem, next.certificatePem, b.certificatePem)
  await keeper.tick(never)
  t.equal(it.published.roots.length, 2)
  t.equal(keeper.authority().root.pem, a.certificatePem, 'not yet')
  it.clock.advance(dayMs)
  await keeper.tick(never)
  t.equal(keeper.authority().root.pem, b.certificatePem)
  it.clock.advance(28 * dayMs)
  await keeper.tick(never)
  t.equal(it.published.roots.length, 2, 'what the old one signed may still live')
  it.clock.advance(2 * dayMs)
  await keeper.tick(never)
  t.same(it.published.roots.map(({ pem }) => pem), [b.certificatePem])
})

t.test('given keys that cannot be used are refused by name, and the former ones go on', async t => {
  const it = new World()
  const keeper = it.keeper({ kind: 'given' })
  await t.rejects(keeper.tick(never), { code: 'bad-secret', message: /not there/ })
  const root = newAuthorityFiles(trustDomain, nowMs)
  const below = newIntermediateFiles(root, nowMs, 30 * dayMs)
  it.give(below.keyPem, below.certificatePem, root.certificatePem)
  await keeper.tick(never)
  const other = newAuthorityFiles(trustDomain, nowMs)
  for (const [chain, ca, problem] of [
    [below.certificatePem, other.certificatePem, /no root in ca\.crt signed/],
    ['', root.certificatePem, /tls\.crt is missing/],
    ['x', root.certificatePem, /no certificate in PEM/],
    [below.certificatePem, new TestAuthority({ nowMs }).certificateFor(identityOf()).certificatesPem, /CA is false/],
  ] as const) {
    it.give(below.keyPem, chain, ca)
    await t.rejects(keeper.tick(never), { code: 'bad-secret', message: problem })
  }
  it.give(other.keyPem, below.certificatePem, root.certificatePem)
  t.match(await signs(keeper, it.clock), { ok: true })
})

t.test('roots of other trust domains are published beside ours, and believed', async t => {
  const it = new World()
  const west = new TestAuthority({ trustDomain: 'west.example', nowMs })
  it.federated.set('west.example', { roots: [west.root], sequence: 7, refreshHintMs: 60_000, skipped: [] })
  const keeper = it.keeper()
  const told: (readonly string[])[] = []
  keeper.onChange(bundles => { told.push(bundles.trustDomains) })
  await keeper.tick(never)
  const data = it.publisher.objects.get('bundle')?.data ?? {}
  t.match(data['bundle.pem'], west.root.pem)
  t.match(parseBundle(data['federated.west.example.json'] ?? '', 'west.example'), { sequence: 7, refreshHintMs: 60_000 })
  t.equal(it.published.roots.length, 1, 'our own bundle is ours alone')
  t.same(told, [['east.example', 'west.example']])
  await keeper.tick(never)
  t.same(it.learned.at(-1), ['west.example'], 'what was published is handed back after a restart')
  it.federated.clear()
  await keeper.tick(never)
  t.notOk(Object.hasOwn(it.publisher.objects.get('bundle')?.data ?? {}, 'federated.west.example.json'), 'an ended relationship ends')
  t.same(keeper.bundles().trustDomains, ['east.example'])
})

t.test('lives that cannot fit into each other are refused', async t => {
  t.throws(() => new World().keeper({ lives: { rootMs: 20 * dayMs, signerMs: 10 * dayMs, leadMs: dayMs } }), { code: 'config-invalid' })
})
