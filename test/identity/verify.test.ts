import fc from 'fast-check'
import t from 'tap'
import { encodeAttributes, TrustBundles, verifyChain } from '../../src/identity/index.ts'
import { put } from '../fixtures/bad-certificates.ts'
import { extendedKeyUsage } from '../../src/identity/templates.ts'
import { oids } from '../../src/identity/oid.ts'
import { identityOf, TestAuthority } from '../fixtures/authority.ts'
import type { Signer } from '../fixtures/authority.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const east = new TestAuthority({ nowMs })
const trust = east.trust()
const identity = identityOf()
const good = east.certificateFor(identity)

t.test('what was signed is what is proven', async t => {
  const verdict = verifyChain(good.certificates, trust, nowMs)
  t.match(verdict, { ok: true, notAfterMs: good.notAfterMs })
  t.same(verdict.ok && verdict.identity, identity)
})

t.test('both ends of the validity belong to it, also for a chain that is remembered', async t => {
  const { certificates, notBeforeMs, notAfterMs } = good
  t.match(verifyChain(certificates, trust, notBeforeMs), { ok: true })
  t.match(verifyChain(certificates, trust, notBeforeMs - 1), { code: 'not-yet-valid' })
  t.match(verifyChain(certificates, trust, notAfterMs), { ok: true })
  t.match(verifyChain(certificates, trust, notAfterMs + 1), { code: 'expired' })
  t.match(verifyChain(certificates, trust, NaN), { ok: false })
})

t.test('the root bounds the validity of what it signed', async t => {
  const svid = east.certificateFor(identity, { ttlMs: 20 * 365 * 86_400_000 })
  t.match(verifyChain(svid.certificates, trust, nowMs), { ok: true, notAfterMs: east.root.certificate.notAfterMs })
  t.match(verifyChain(svid.certificates, trust, east.root.certificate.notAfterMs + 1000), { code: 'expired' })
})

t.test('up to two intermediates, with or without the root behind them', async t => {
  const first = east.intermediate('first', { pathLength: 1 })
  const second = east.intermediate('second', { signer: first, pathLength: 0 })
  const root = east.root.certificate.der
  for (const signer of [east.signer, first, second]) {
    const { certificates } = east.certificateFor(identity, { signer })
    t.match(verifyChain(certificates, trust, nowMs), { ok: true }, `${certificates.length} certificates`)
    t.match(verifyChain([...certificates, root], trust, nowMs), { ok: true }, 'and the root')
  }
})

t.test('no more than two, even when every authority allows any number', async t => {
  const open = new TestAuthority({ nowMs, pathLength: undefined })
  const second = open.intermediate('second', { signer: open.intermediate('first') })
  const chainUnder = (signer: Signer): readonly Uint8Array[] => open.certificateFor(identity, { signer }).certificates
  t.match(verifyChain(chainUnder(second), open.trust(), nowMs), { ok: true })
  t.match(verifyChain(chainUnder(open.intermediate('third', { signer: second })), open.trust(), nowMs), { code: 'bad-path' })
})

t.test('an intermediate for both sides, and one that does not name itself', async t => {
  const both = east.intermediate('both', { extensions: put(extendedKeyUsage([oids.clientAuth, oids.serverAuth])) })
  const nameless = east.intermediate('nameless', { extensions: list => list.filter(({ oid }) => oid !== oids.subjectAltName) })
  for (const signer of [both, nameless]) t.match(verifyChain(east.certificateFor(identity, { signer }).certificates, trust, nowMs), { ok: true })
  const serverOnly = east.intermediate('server', { extensions: put(extendedKeyUsage([oids.serverAuth])) })
  t.match(verifyChain(east.certificateFor(identity, { signer: serverOnly }).certificates, trust, nowMs), { code: 'bad-profile' })
})

t.test('while one root replaces another both vouch', async t => {
  const next = new TestAuthority({ nowMs })
  for (const authority of [east, next]) t.match(verifyChain(authority.certificateFor(identity).certificates, east.trust(next), nowMs), { ok: true })
})

t.test('a chain that passed is not believed under other trust', async t => {
  t.match(verifyChain(good.certificates, trust, nowMs), { ok: true })
  t.match(verifyChain(good.certificates, new TrustBundles([]), nowMs), { code: 'untrusted-root' })
  t.match(verifyChain(good.certificates, new TestAuthority({ nowMs }).trust(), nowMs), { code: 'untrusted-root' })
})

t.test('a chain that passed under a larger bound of attributes is still refused under a smaller one', async t => {
  t.match(verifyChain(good.certificates, trust, nowMs, { maxAttributesBytes: 4096 }), { ok: true })
  t.match(verifyChain(good.certificates, trust, nowMs, { maxAttributesBytes: 64 }), { code: 'attributes-too-large' })
  const large = { ...identity.attributes, labels: Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`l${i}`, 'x'.repeat(250)])) }
  const svid = east.certificateFor(identity, { attributes: encodeAttributes(large, 32_768) })
  t.match(verifyChain(svid.certificates, trust, nowMs, { maxAttributesBytes: 32_768 }), { ok: true }, 'and the bound can be raised')
})

t.test('a remembered chain gives the very same identity, which nobody can change', async t => {
  const [a, b] = [verifyChain(good.certificates, trust, nowMs), verifyChain(good.certificates, trust, nowMs)]
  t.ok(a.ok && b.ok && a.identity === b.identity)
  t.ok(a.ok && [a.identity, a.identity.spiffeId, a.identity.attributes, a.identity.attributes.labels].every(Object.isFrozen))
})

t.test('no certificate, or more than a chain can have', async t => {
  t.match(verifyChain([], trust, nowMs), { code: 'no-certificate' })
  t.match(verifyChain(Array(5).fill(good.certificates[0]), trust, nowMs), { code: 'too-large' })
  t.match(verifyChain([new Uint8Array()], trust, nowMs), { code: 'malformed' })
  t.match(verifyChain([Buffer.from(good.certificatesPem)], trust, nowMs), { code: 'malformed' }, 'PEM is not DER')
})

/** Changes of one certificate: bytes replaced, removed, put in, or swapped with another good certificate's. */
function mutations (der: Uint8Array): fc.Arbitrary<Uint8Array> {
  const splice = fc.tuple(fc.nat(der.length - 1), fc.nat(3), fc.uint8Array({ maxLength: 3 }))
    .map(([at, removed, bytes]) => Uint8Array.from([...der].toSpliced(at, removed, ...bytes)))
  const flip = fc.tuple(fc.nat(der.length - 1), fc.nat(7)).map(([at, bit]) => der.map((byte, i) => i === at ? byte ^ (1 << bit) : byte))
  const cut = fc.nat(der.length - 1).map(length => der.slice(0, length))
  return fc.oneof(flip, splice, cut)
}

t.test('a chain with any byte changed is refused and never throws', async t => {
  const leaf = good.certificates[0] ?? new Uint8Array()
  const { certificates: [below = new Uint8Array(), middle = new Uint8Array()] } = east.certificateFor(identity, { signer: east.intermediate('middle') })
  const chains = fc.oneof(mutations(leaf).map(der => [der]), mutations(below).map(der => [der, middle]), mutations(middle).map(der => [below, der]))
  t.doesNotThrow(() => fc.assert(fc.property(chains, chain => {
    const same = chain.every(der => [leaf, below, middle].some(original => Buffer.from(original).equals(der)))
    const verdict = verifyChain(chain, trust, nowMs)
    return verdict.ok === same && (verdict.ok || verdict.message.length > 0)
  }), { numRuns: 3000 }))
})

t.test('any bytes are refused and never throw', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), chain => !verifyChain(chain, trust, nowMs).ok), { numRuns: 1000 }))
})

t.test('a signed extension with any bytes in it is refused with a code and never throws', async t => {
  const known = [oids.basicConstraints, oids.keyUsage, oids.extendedKeyUsage, oids.subjectAltName, oids.subjectKeyId, oids.authorityKeyId, oids.workloadAttributes]
  const garbage = fc.record({ oid: fc.constantFrom(...known), critical: fc.boolean(), content: fc.uint8Array({ maxLength: 12 }) })
  t.doesNotThrow(() => fc.assert(fc.property(garbage, extension => {
    const verdict = verifyChain(east.certificateFor(identity, { extensions: put(extension) }).certificates, trust, nowMs)
    // Both key ids may be left out or be of any length, and a certificate may say twice that it is no authority.
    return !verdict.ok || extension.oid === oids.subjectKeyId || extension.oid === oids.authorityKeyId || extension.oid === oids.basicConstraints
  }), { numRuns: 400 }))
})
