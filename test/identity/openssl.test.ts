/** A second opinion: what we write is read by the openssl command. */

import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { oids } from '../../src/identity/oid.ts'
import { pemOf, identityOf, TestAuthority } from '../fixtures/authority.ts'

const missing = spawnSync('openssl', ['version']).status === 0 ? false : 'the openssl command is missing'
const east = new TestAuthority()
const openssl = (...args: readonly string[]): string => execFileSync('openssl', args, { encoding: 'utf8' })

t.test('openssl verifies root, intermediates and leaf, for both purposes', { skip: missing }, async t => {
  const [leaf = new Uint8Array(), ...between] = east.certificateFor(identityOf(), { signer: east.intermediate('one', { signer: east.intermediate('two') }) }).certificates
  const dir = t.testdir({ 'root.pem': east.root.pem, 'between.pem': between.map(pemOf).join(''), 'leaf.pem': pemOf(leaf) })
  for (const purpose of ['sslserver', 'sslclient']) {
    t.match(openssl('verify', '-x509_strict', '-check_ss_sig', '-purpose', purpose, '-CAfile', join(dir, 'root.pem'), '-untrusted', join(dir, 'between.pem'), join(dir, 'leaf.pem')), /leaf\.pem: OK/)
  }
})

t.test('openssl reads from the leaf what SPIFFE asks for', { skip: missing }, async t => {
  const dir = t.testdir({ 'leaf.pem': east.certificateFor(identityOf()).certificatesPem })
  const text = openssl('x509', '-in', join(dir, 'leaf.pem'), '-noout', '-text')
  t.match(text, /Basic Constraints: critical\s+CA:FALSE/)
  t.match(text, /Key Usage: critical\s+Digital Signature\n/)
  t.match(text, /TLS Web Server Authentication, TLS Web Client Authentication/)
  t.match(text, /Subject Alternative Name: critical\s+URI:spiffe:\/\/east\.example\/ns\/shop\/sa\/web\n/)
  t.match(text, /Signature Algorithm: ecdsa-with-SHA256/)
  t.match(text, `${oids.workloadAttributes}: \n`, 'our extension is there and not critical')
})

t.test('openssl reads from the root what SPIFFE asks for', { skip: missing }, async t => {
  const dir = t.testdir({ 'root.pem': east.root.pem })
  const text = openssl('x509', '-in', join(dir, 'root.pem'), '-noout', '-text')
  t.match(text, /Basic Constraints: critical\s+CA:TRUE, pathlen:2\n/)
  t.match(text, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
  t.match(text, /URI:spiffe:\/\/east\.example\n/)
})
