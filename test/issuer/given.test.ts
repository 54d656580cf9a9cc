/** Keys that another program made, in the form in which cert-manager writes them. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { Authority, TrustBundles, verifyChain } from '../../src/identity/index.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { parseSigner } from '../../src/issuer/signer.ts'
import { identityOf, p256 } from '../fixtures/authority.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { needs } from '../fixtures/needs.ts'

const extensions = (uri: string): string => `basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n${uri === '' ? '' : `subjectAltName=URI:${uri}\n`}`

/** A root and an intermediate by openssl; keys as cert-manager encodes them by default (SEC 1). */
function make (folder: TestFolder, { rootUri = 'spiffe://east.example', curve = 'prime256v1' } = {}) {
  const run = (...args: string[]): void => { execFileSync('openssl', args, { cwd: folder.path, stdio: 'pipe' }) }
  folder.write('root.ext', extensions(rootUri))
  folder.write('signer.ext', `${extensions('spiffe://east.example')}authorityKeyIdentifier=keyid\n`)
  for (const name of ['root', 'signer']) {
    run('ecparam', '-name', curve, '-genkey', '-noout', '-out', `${name}.key`)
    run('req', '-new', '-key', `${name}.key`, '-subj', `/O=somebody/CN=${name}`, '-out', `${name}.csr`)
  }
  run('x509', '-req', '-in', 'root.csr', '-signkey', 'root.key', '-sha256', '-days', '3650', '-extfile', 'root.ext', '-out', 'root.crt')
  run('x509', '-req', '-in', 'signer.csr', '-CA', 'root.crt', '-CAkey', 'root.key', '-CAcreateserial', '-sha256', '-days', '30', '-extfile', 'signer.ext', '-out', 'signer.crt')
  const text = (name: string): string => readFileSync(folder.at(name), 'utf8')
  return { 'tls.key': text('signer.key'), 'tls.crt': text('signer.crt'), 'ca.crt': text('root.crt'), 'rootKey': text('root.key') }
}

t.test('an intermediate of somebody else signs, and what it signs is believed', async t => {
  if (!needs(t, 'program:openssl')) return
  for (const curve of ['prime256v1', 'secp384r1']) {
    using folder = new TestFolder()
    const { rootKey, ...data } = make(folder, { curve })
    t.match(data['tls.key'], /BEGIN EC PRIVATE KEY/)
    const signer = parseSigner(data)
    const authority = new Authority(signer.material, { trustDomain: 'east.example', clock: systemClock })
    const chain = await authority.issue(identityOf(), p256().publicKey, 3_600_000)
    t.equal(chain.length, 2)
    t.match(verifyChain(chain, new TrustBundles(signer.roots), Date.now()), { ok: true }, curve)
    const alone = parseSigner({ 'tls.key': rootKey, 'tls.crt': data['ca.crt'], 'ca.crt': data['ca.crt'] })
    t.equal((await new Authority(alone.material, { trustDomain: 'east.example', clock: systemClock }).issue(identityOf(), p256().publicKey, 3_600_000)).length, 1, 'a root alone')
  }
})

t.test('a root that does not name the trust domain is refused with the reason', async t => {
  if (!needs(t, 'program:openssl')) return
  using folder = new TestFolder()
  const { rootKey: _, ...data } = make(folder, { rootUri: '' })
  t.throws(() => parseSigner(data), { code: 'bad-secret', message: /does not name its trust domain: exactly one URI name/ })
})
