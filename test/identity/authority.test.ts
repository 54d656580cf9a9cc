import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import t from 'tap'
import { defaultExcludedLabels, openAuthority, TrustBundles, verifyChain } from '../../src/identity/index.ts'
import { newAuthorityFiles } from '../../src/identity/authority.ts'
import { identityOf, p256, TestAuthority } from '../fixtures/authority.ts'
import { FakeClock } from '../fixtures/clock.ts'
import type { Test } from 'tap'
import type { Authority } from '../../src/identity/index.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const hourMs = 3_600_000
const identity = identityOf()
const options = { trustDomain: 'east.example', clock: new FakeClock(nowMs) }
const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

t.test('the first start makes a key that only we can read, and a root to hand out', async t => {
  const folder = join(t.testdir({}), 'deep', 'authority')
  const authority = openAuthority(folder, options)
  t.equal(mode(folder), '700')
  t.equal(mode(join(folder, 'root.key')), '600')
  t.equal(mode(join(folder, 'root.pem')), '644')
  t.same(readdirSync(folder).sort(), ['root.key', 'root.pem'])
  t.same(readdirSync(join(folder, '..')), ['authority'], 'no draft is left')
  t.equal(readFileSync(join(folder, 'root.pem'), 'utf8'), authority.root.pem)
  t.match(authority.root, { trustDomain: 'east.example' })
})

t.test('root.pem is for everybody, whatever the umask', async t => {
  const folder = join(t.testdir({}), 'a')
  const before = process.umask(0o077)
  t.teardown(() => { process.umask(before) })
  openAuthority(folder, options)
  t.equal(mode(join(folder, 'root.pem')), '644')
})

t.test('later starts have the same root, also by way of a link', async t => {
  const dir = t.testdir({ empty: {} })
  symlinkSync('empty', join(dir, 'link'))
  const { root } = openAuthority(join(dir, 'link'), options)
  for (const name of ['empty', 'link']) t.equal(openAuthority(join(dir, name), options).root.pem, root.pem)
  t.same(readdirSync(dir).sort(), ['empty', 'link'])
})

t.test('processes that start at once agree on one key', async t => {
  const dir = t.testdir({})
  for (const round of [1, 2, 3]) {
    const folder = join(dir, `authority-${round}`)
    const children = [1, 2, 3].map(() => spawn(process.execPath, [join(import.meta.dirname, '../fixtures/open-authority.ts'), folder, 'east.example']))
    await Promise.all(children.map(({ stdout }) => once(stdout, 'data')))
    const answers = children.map(async child => {
      child.stdin.end()
      const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
      return out.trim() || errors
    })
    const prints = await Promise.all(answers)
    t.equal(new Set(prints).size, 1, prints.join())
    t.equal(openAuthority(folder, options).root.certificate.x509.fingerprint256, prints[0])
  }
  t.same(readdirSync(dir).sort(), ['authority-1', 'authority-2', 'authority-3'], 'no draft is left')
})

t.test('a folder that is not usable is refused in one message', async t => {
  const other = newAuthorityFiles('east.example', nowMs)
  const leafPem = new TestAuthority({ nowMs }).certificateFor(identity).certificatesPem
  const spoil: Readonly<Record<string, readonly [(folder: string) => unknown, RegExp]>> = {
    'a key without its certificate': [folder => { rmSync(join(folder, 'root.pem')) }, /root\.key is there without root\.pem$/],
    'a certificate without its key': [folder => { rmSync(join(folder, 'root.key')) }, /root\.pem is there without root\.key/],
    'another key': [folder => { writeFileSync(join(folder, 'root.key'), other.keyPem) }, /the key is not the one of the certificate$/],
    'another certificate': [folder => { writeFileSync(join(folder, 'root.pem'), other.certificatePem) }, /the key is not the one of the certificate$/],
    'a key that cannot be read': [folder => { writeFileSync(join(folder, 'root.key'), other.keyPem.slice(0, 80)) }, /the key cannot be read/],
    'an empty key': [folder => { writeFileSync(join(folder, 'root.key'), '') }, /the key cannot be read/],
    'a key of another kind': [folder => { writeFileSync(join(folder, 'root.key'), generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })) }, /not on P-256 or P-384$/],
    'a certificate that cannot be read': [folder => { writeFileSync(join(folder, 'root.pem'), 'x') }, /no certificate in PEM$/],
    'two certificates': [folder => { writeFileSync(join(folder, 'root.pem'), other.certificatePem.repeat(2)) }, /exactly one certificate expected$/],
    'the certificate of a leaf': [folder => { writeFileSync(join(folder, 'root.pem'), leafPem) }, /CA is false/],
    'a key that others may read': [folder => { chmodSync(join(folder, 'root.key'), 0o640) }, /others may read root\.key/],
    'a folder that others may write into': [folder => { chmodSync(folder, 0o770) }, /others may write into it/],
    'an endless key': [folder => { writeFileSync(join(folder, 'root.key'), 'x'.repeat(70_000)) }, /root\.key takes 70000 bytes$/],
  }
  for (const [name, [change, message]] of Object.entries(spoil)) {
    const folder = join(t.testdir({}), 'authority')
    openAuthority(folder, options)
    change(folder)
    t.throws(() => openAuthority(folder, options), { name: 'IdentityError', code: 'bad-authority', message }, name)
    t.throws(() => openAuthority(folder, options), { message: `authority ${folder}: ` }, 'the message names the folder')
  }
})

t.test('a folder for something else is left alone', async t => {
  const folder = join(t.testdir({ work: { 'notes.txt': 'mine' } }), 'work')
  t.throws(() => openAuthority(folder, options), { code: 'bad-authority', message: /holds other files/ })
  t.same(readdirSync(folder), ['notes.txt'])
  t.same(readdirSync(join(folder, '..')), ['work'])
  t.throws(() => openAuthority(join(folder, 'notes.txt'), options), { code: 'bad-authority' }, 'a file is no folder')
})

t.test('the authority of another trust domain, or one that has ended, is refused', async t => {
  const folder = join(t.testdir({}), 'authority')
  openAuthority(folder, options)
  t.throws(() => openAuthority(folder, { ...options, trustDomain: 'west.example' }), { message: /speaks for the trust domain east\.example, not for west\.example$/ })
  t.throws(() => openAuthority(folder, { ...options, clock: new FakeClock(nowMs + 11 * 365 * 24 * hourMs) }), { message: /ended at 2036/ })
})

/** Opens a new authority in a folder of its own. */
function authorityIn (t: Test, more: Partial<Parameters<typeof openAuthority>[1]> = {}): Authority {
  return openAuthority(join(t.testdir({}), 'authority'), { ...options, ...more })
}

t.test('issues what peers accept, back-dated, for the time asked for', async t => {
  const authority = authorityIn(t)
  const chain = await authority.issue(identity, p256().publicKey, hourMs)
  const trust = new TrustBundles([authority.root])
  t.match(verifyChain(chain, trust, nowMs), { ok: true, identity: { spiffeId: identity.spiffeId, attributes: { labels: { app: 'web' } } }, notAfterMs: nowMs + hourMs })
  t.match(verifyChain(chain, trust, nowMs - 60_000), { ok: true })
  t.match(verifyChain(chain, trust, nowMs - 61_000), { code: 'not-yet-valid' })
})

t.test('every certificate has a serial number of its own, positive and of 128 bits', async t => {
  const authority = authorityIn(t)
  const { publicKey } = p256()
  const chains = await Promise.all(Array.from({ length: 40 }, () => authority.issue(identity, publicKey, hourMs)))
  const serials = chains.map(([der = new Uint8Array()]) => new X509Certificate(der).serialNumber)
  t.equal(new Set(serials).size, serials.length)
  t.ok(serials.every(serial => serial.length === 32), serials.join())
})

t.test('excluded labels are not signed, by setting', async t => {
  const labelled = identityOf({ labels: { app: 'web', 'pod-template-hash': 'abc', mine: 'x' } })
  const signed = async (authority: Authority): Promise<unknown> => {
    const verdict = verifyChain(await authority.issue(labelled, p256().publicKey, hourMs), new TrustBundles([authority.root]), nowMs)
    return verdict.ok && { ...verdict.identity.attributes.labels }
  }
  t.same(await signed(authorityIn(t)), { app: 'web', mine: 'x' })
  t.same(await signed(authorityIn(t, { excludedLabels: ['mine'] })), { app: 'web', 'pod-template-hash': 'abc' })
  t.ok(defaultExcludedLabels.includes('pod-template-hash'))
  t.notOk(defaultExcludedLabels.includes('statefulset.kubernetes.io/pod-name'), 'names of pods can be selected')
})

t.test('a certificate never outlives its root', async t => {
  const authority = authorityIn(t)
  const verdict = verifyChain(await authority.issue(identity, p256().publicKey, 20 * 365 * 24 * hourMs), new TrustBundles([authority.root]), nowMs)
  t.match(verdict, { ok: true, notAfterMs: authority.root.certificate.notAfterMs })
})

t.test('does not sign what no certificate may say', async t => {
  const authority = authorityIn(t)
  const { publicKey } = p256()
  await t.rejects(authority.issue(identityOf({}, { trustDomain: 'west.example' }), publicKey, hourMs), { code: 'bad-request' })
  await t.rejects(authority.issue(identityOf({}, { serviceAccount: 'a/b' }), publicKey, hourMs), { code: 'not-spiffe' })
  await t.rejects(authority.issue(identityOf({ namespaceLabels: {} }), publicKey, hourMs), { code: 'bad-attributes' })
  await t.rejects(authority.issue({ ...identity, spiffeId: { ...identity.spiffeId, namespace: 'bank' } }, publicKey, hourMs), { code: 'bad-attributes' })
  await t.rejects(authority.issue(identityOf({ labels: { a: 'x\n' } }), publicKey, hourMs), { code: 'bad-request' })
  await t.rejects(authority.issue(identity, generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey, hourMs), { code: 'bad-request' })
  for (const ttlMs of [0, -1, NaN]) await t.rejects(authority.issue(identity, publicKey, ttlMs), { code: 'bad-request' })
  await t.rejects(authority.issue(identity, publicKey, hourMs, AbortSignal.abort(new Error('enough'))), { message: 'enough' })
})

t.test('the bound of the attributes is a setting', async t => {
  await t.rejects(authorityIn(t, { maxAttributesBytes: 100 }).issue(identity, p256().publicKey, hourMs), { code: 'attributes-too-large' })
})

t.test('the key is in nothing that prints', async t => {
  const folder = join(t.testdir({}), 'authority')
  const authority = openAuthority(folder, options)
  const secret = readFileSync(join(folder, 'root.key'), 'utf8').split('\n')[1] ?? ''
  t.notMatch(inspect(authority, { depth: 9, showHidden: true }) + JSON.stringify(authority.root.pem), secret)
})
