import t from 'tap'
import { Authority, newAuthorityFiles, newIntermediateFiles, TrustBundles, verifyChain } from '../../src/identity/index.ts'
import { identityOf, p256 } from '../fixtures/authority.ts'
import { FakeClock } from '../fixtures/clock.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const options = { trustDomain: 'east.example', clock: new FakeClock(nowMs) }
const root = newAuthorityFiles('east.example', nowMs, 100 * dayMs)
const identity = identityOf()

function authority (ttlMs = 30 * dayMs): Authority {
  const { keyPem, certificatePem } = newIntermediateFiles(root, nowMs, ttlMs)
  return new Authority({ keyPem, certificatePem: root.certificatePem, intermediatesPem: certificatePem }, options)
}

t.test('what an intermediate signs comes with its certificate, and leads to the root', async t => {
  const signs = authority()
  const chain = await signs.issue(identity, p256().publicKey, hourMs)
  t.equal(chain.length, 2)
  t.match(verifyChain(chain, new TrustBundles([signs.root]), nowMs), { ok: true, identity, notAfterMs: nowMs + hourMs })
  t.match(verifyChain(chain.slice(0, 1), new TrustBundles([signs.root]), nowMs), { ok: false, code: 'untrusted-root' })
})

t.test('nothing outlives the intermediate, and the intermediate not the root', async t => {
  const signs = authority(2 * hourMs)
  t.equal(signs.notAfterMs, nowMs + 2 * hourMs)
  t.match(verifyChain(await signs.issue(identity, p256().publicKey, dayMs), new TrustBundles([signs.root]), nowMs), { ok: true, notAfterMs: nowMs + 2 * hourMs })
  t.equal(authority(1000 * dayMs).notAfterMs, nowMs + 100 * dayMs)
})

t.test('an intermediate may not sign another one', async t => {
  const first = newIntermediateFiles(root, nowMs, dayMs)
  const { keyPem, certificatePem } = newIntermediateFiles(root, nowMs, dayMs)
  const signs = new Authority({ keyPem, certificatePem: root.certificatePem, intermediatesPem: certificatePem + first.certificatePem }, options)
  await t.rejects(signs.issue(identity, p256().publicKey, hourMs), { code: 'bad-path' })
})

t.test('a key, a root or a time that does not fit is refused', async t => {
  const { keyPem, certificatePem } = newIntermediateFiles(root, nowMs, dayMs)
  t.throws(() => new Authority({ keyPem: root.keyPem, certificatePem: root.certificatePem, intermediatesPem: certificatePem }, options), { code: 'bad-authority' })
  t.throws(() => new Authority({ keyPem, certificatePem: root.certificatePem, intermediatesPem: certificatePem }, { ...options, clock: new FakeClock(nowMs + 2 * dayMs) }), /intermediate certificate ended/)
  const other = new Authority({ keyPem, certificatePem: newAuthorityFiles('east.example', nowMs).certificatePem, intermediatesPem: certificatePem }, options)
  await t.rejects(other.issue(identity, p256().publicKey, hourMs), { code: 'untrusted-root' }, 'a root that did not sign it')
})
