import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { FileTrust, loadBundle, TrustBundles } from '../../src/identity/index.ts'
import { encodeName, keyIdOf, signCertificate } from '../../src/identity/build.ts'
import { alternativeNames, authorityExtensions, keyUsage } from '../../src/identity/templates.ts'
import { identityOf, p256, pemOf, TestAuthority } from '../fixtures/authority.ts'
import { put } from '../fixtures/bad-certificates.ts'
import { FakeClock } from '../fixtures/clock.ts'
import type { Extension } from '../../src/identity/build.ts'
import type { Keys } from '../fixtures/authority.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const yearMs = 365 * 86_400_000
const east = new TestAuthority({ nowMs })
const west = new TestAuthority({ trustDomain: 'west.example', nowMs })

/** A self-signed root, good but for what `change` does. */
function rootPem (change: (good: readonly Extension[]) => readonly Extension[], keys: Keys = p256(), scheme?: { oid: string, digest: string }): string {
  const id = keyIdOf(keys.publicKey)
  const name = encodeName('test', 'root')
  const template = { issuer: name, subject: name, notBeforeMs: nowMs, notAfterMs: nowMs + yearMs, publicKey: keys.publicKey, extensions: change(authorityExtensions('east.example', id, id, undefined)) }
  return pemOf(signCertificate(template, keys.privateKey, scheme))
}

t.test('roots of several files are found by their trust domain', async t => {
  const dir = t.testdir({ 'east.pem': east.root.pem, 'both.pem': `# two roots\n${west.root.pem}${east.root.pem}` })
  const { bundles, warnings } = loadBundle([join(dir, 'east.pem'), join(dir, 'both.pem')], nowMs)
  t.same(bundles.trustDomains, ['east.example', 'west.example'])
  t.equal(bundles.rootsOf('east.example').length, 1, 'the same root twice is one')
  t.same(bundles.rootsOf('north.example'), [])
  t.same(bundles.pem, [east.root.pem, west.root.pem])
  t.same(warnings, [])
})

t.test('two roots of one trust domain, in any order, are the same trust', async t => {
  const next = new TestAuthority({ nowMs })
  t.equal(east.trust(next).rootsOf('east.example').length, 2)
  t.ok(east.trust(next).equals(next.trust(east)))
  t.notOk(east.trust(next).equals(east.trust()))
})

t.test('refused with the name of the file and the reason', async t => {
  const leafPem = east.certificateFor(identityOf()).certificatesPem
  const key = east.signer.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const cases: Readonly<Record<string, readonly [string, RegExp]>> = {
    'a leaf': [leafPem, /CA is false/],
    'a root that names no trust domain': [rootPem(list => list.filter(({ oid }) => oid !== '2.5.29.17')), /spiffe:\/\/<trust domain> expected/],
    'a root that names two': [rootPem(put(alternativeNames(['spiffe://east.example', 'spiffe://west.example'], false))), /exactly one/],
    'a root with the id of a workload': [rootPem(put(alternativeNames(['spiffe://east.example/ns/a/sa/b'], false))), /exactly one/],
    'a root that may not sign': [rootPem(put(keyUsage(['cRLSign']))), /keyCertSign/],
    'a root on P-521': [rootPem(list => list, generateKeyPairSync('ec', { namedCurve: 'P-521' })), /P-256 or P-384/],
    'a root signed with SHA-1': [rootPem(list => list, p256(), { oid: '1.2.840.10045.4.1', digest: 'sha1' }), /signature algorithm/],
    'a root with an unknown critical extension': [rootPem(put({ oid: '1.2.3.4', critical: true, content: Uint8Array.of(5, 0) })), /1\.2\.3\.4/],
    'an intermediate': [pemOf(east.intermediate('middle').chain[0] ?? new Uint8Array()), /not signed by itself/],
    'a file with a private key': [`${east.root.pem}${key}`, /PRIVATE KEY/],
    'an empty file': ['', /no certificate/],
    'a file without PEM': ['hello', /no certificate/],
    'PEM of something else': ['-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n', /not ASN\.1/],
    'a huge file': ['x'.repeat(1024 * 1024 + 1), /1048577 bytes/],
  }
  for (const [name, [text, reason]] of Object.entries(cases)) {
    const file = join(t.testdir({ 'bad.pem': text }), 'bad.pem')
    t.throws(() => loadBundle([file], nowMs), { code: 'bad-trust', message: reason }, name)
    t.throws(() => loadBundle([file], nowMs), { message: `trusted root ${file}: ` }, 'the message names the file')
  }
  t.throws(() => loadBundle([join(t.testdirName, 'missing.pem')], nowMs), { code: 'bad-trust', message: /missing\.pem/ })
})

t.test('no message about a file with a key holds any of the key', async t => {
  const key = east.signer.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const file = join(t.testdir({ 'key.pem': key }), 'key.pem')
  const secret = key.split('\n')[1] ?? ''
  try { loadBundle([file], nowMs); t.fail('it was loaded') } catch (error) { t.notMatch(String(error), secret) }
})

t.test('a root that is not valid now is told and kept', async t => {
  const file = join(t.testdir({ 'east.pem': east.root.pem }), 'east.pem')
  t.match(loadBundle([file], nowMs + 11 * yearMs), { warnings: [/east\.pem of east\.example ended at 2036/], bundles: { trustDomains: ['east.example'] } })
  t.match(loadBundle([file], nowMs - yearMs), { warnings: [/begins at 2026/] })
})

t.test('reloading tells of changes only, and keeps the last good roots', async t => {
  const dir = t.testdir({ 'a.pem': east.root.pem })
  const file = join(dir, 'a.pem')
  const trust = new FileTrust([file], new FakeClock(nowMs))
  const told: (readonly string[])[] = []
  const unsubscribe = trust.onChange(bundles => { told.push(bundles.trustDomains) })
  const before = trust.bundles()

  t.match(trust.reload(), { ok: true, changed: false })
  t.equal(trust.bundles(), before, 'the same object, so that what was verified stays remembered')

  writeFileSync(file, east.root.pem + west.root.pem)
  t.match(trust.reload(), { ok: true, changed: true })
  t.same(told, [['east.example', 'west.example']])

  writeFileSync(file, east.root.pem.slice(0, 100))
  t.match(trust.reload(), { ok: false, error: { code: 'bad-trust' } })
  t.same(trust.bundles().trustDomains, ['east.example', 'west.example'])
  rmSync(file)
  t.match(trust.reload(), { ok: false, error: { code: 'bad-trust', message: /ENOENT/ } })
  t.equal(told.length, 1)

  unsubscribe()
  writeFileSync(file, west.root.pem)
  t.match(trust.reload(), { ok: true, changed: true })
  t.same(trust.bundles().trustDomains, ['west.example'])
  t.equal(told.length, 1, 'nobody listens any more')
})

t.test('a first load that fails throws', async t => {
  t.throws(() => new FileTrust([join(t.testdir({}), 'none.pem')], new FakeClock(nowMs)), { code: 'bad-trust' })
})

t.test('no roots trust nobody', async t => {
  t.same(new TrustBundles([]).trustDomains, [])
  t.same(loadBundle([], nowMs).bundles.roots, [])
})
