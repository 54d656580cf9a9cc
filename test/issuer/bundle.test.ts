import t from 'tap'
import { formatBundle, parseBundle, parseBundleFile } from '../../src/issuer/bundle.ts'
import { TestAuthority } from '../fixtures/authority.ts'

const east = new TestAuthority()
const next = new TestAuthority()
const west = new TestAuthority({ trustDomain: 'west.example' })

interface Jwks { readonly keys: readonly Readonly<Record<string, unknown>>[], readonly spiffe_sequence: number, readonly spiffe_refresh_hint: number }

function published (): Jwks {
  return JSON.parse(formatBundle({ roots: [east.root], sequence: 5, refreshHintMs: 300_000 })) as Jwks // our own text
}

t.test('a bundle is a JWK Set as SPIFFE wants it', async t => {
  const { keys, ...rest } = published()
  t.same(rest, { spiffe_sequence: 5, spiffe_refresh_hint: 300 })
  const jwk = east.root.certificate.x509.publicKey.export({ format: 'jwk' })
  t.same(keys, [{ kty: 'EC', use: 'x509-svid', crv: 'P-256', x: jwk.x, y: jwk.y, x5c: [Buffer.from(east.root.certificate.der).toString('base64')] }])
  t.equal(formatBundle({ roots: [east.root, next.root], sequence: 1, refreshHintMs: 1000 }), formatBundle({ roots: [next.root, east.root], sequence: 1, refreshHintMs: 1000 }), 'in one order')
})

t.test('what is published reads as what it was', async t => {
  const bundle = parseBundle(formatBundle({ roots: [east.root, next.root], sequence: 5, refreshHintMs: 300_000 }), 'east.example')
  t.match(bundle, { sequence: 5, refreshHintMs: 300_000, skipped: [] })
  t.same(bundle.roots.map(({ pem }) => pem).sort(), [east.root.pem, next.root.pem].sort())
  t.match(parseBundle(formatBundle({ roots: [east.root], sequence: undefined, refreshHintMs: undefined }), 'east.example'), { sequence: undefined, refreshHintMs: undefined })
})

t.test('a root of another trust domain, of another use or of another kind is left out', async t => {
  const { keys } = published()
  const [key = {}] = keys
  const foreign = JSON.parse(formatBundle({ roots: [west.root], sequence: 1, refreshHintMs: 1 })) as Jwks
  const bundle = parseBundle(JSON.stringify({ keys: [...keys, ...foreign.keys, { ...key, use: 'jwt-svid' }, { kty: 'RSA' }, null, { ...key, x5c: [Buffer.from('x').toString('base64')] }] }), 'east.example')
  t.same(bundle.roots.map(({ pem }) => pem), [east.root.pem])
  t.match(bundle.skipped, ['a root of west.example', /cannot be a root/])
  t.equal(bundle.skipped.length, 2)
  t.throws(() => parseBundle(JSON.stringify(foreign), 'east.example'), { code: 'bad-bundle', message: /no root of east\.example; a root of west\.example/ })
})

t.test('what is no bundle is refused', async t => {
  const { keys: [key = {}] } = published()
  for (const text of ['', 'null', '[]', '{}', '{"keys":{}}', '{"keys":[]}', '{"keys":[],"spiffe_sequence":-1}', JSON.stringify({ keys: [{ ...key, x5c: [] }] }), JSON.stringify({ keys: [{ ...key, x5c: ['AA==', 'AA=='] }] }),
    JSON.stringify({ ...published(), spiffe_sequence: '5' }), JSON.stringify({ ...published(), spiffe_sequence: 2 ** 60 }), JSON.stringify({ ...published(), spiffe_refresh_hint: 1.5 }), JSON.stringify({ keys: Array<object>(300).fill(key) })]) {
    t.throws(() => parseBundle(text, 'east.example'), { code: 'bad-bundle' }, text.slice(0, 60))
  }
})

t.test('a file may be PEM or a JWK Set', async t => {
  t.equal(parseBundleFile(east.root.pem + next.root.pem, 'east.example').roots.length, 2)
  t.equal(parseBundleFile(`\n${JSON.stringify(published())}`, 'east.example').roots.length, 1)
  t.throws(() => parseBundleFile(west.root.pem, 'east.example'), { code: 'bad-bundle' })
})
