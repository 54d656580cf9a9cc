import { generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import { encodeAnswer, encodeRequest, maxRequestBytes, parseAnswer, parseRequest } from '../../src/issuer/messages.ts'
import { p256 } from '../fixtures/authority.ts'
import type { Keys } from '../fixtures/authority.ts'

const pod = { namespace: 'shop', name: 'web-0', uid: '0b5e1d3c-6a1f-4c54-9f0e-0d6f2f1c7a11' }
const keys = p256()

function requestBy (signer: Keys, asked: Keys = keys, change: (fields: Record<string, unknown>) => unknown = fields => fields): Buffer {
  const text = encodeRequest(pod, asked.publicKey, 3_600_500, statement => sign('sha256', statement, signer.privateKey))
  return Buffer.from(JSON.stringify(change(JSON.parse(text) as Record<string, unknown>))) // our own text
}

t.test('a request says which pod, which key and how long', async t => {
  const request = parseRequest(requestBy(keys))
  t.same(request.pod, pod)
  t.equal(request.ttlMs, 3_600_000)
  t.ok(request.publicKey.equals(keys.publicKey))
  const long = { namespace: 'n'.repeat(63), name: 'p'.repeat(253), uid: 'u'.repeat(128) }
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const text = encodeRequest(long, p384.publicKey, 1e9, statement => sign('sha256', statement, p384.privateKey))
  t.ok(text.length < maxRequestBytes, 'the largest honest one fits')
  t.same(parseRequest(Buffer.from(text)).pod, long)
})

t.test('a key of somebody else cannot be certified, nor a signed request be changed', async t => {
  t.throws(() => parseRequest(requestBy(p256())), { code: 'bad-proof' })
  t.throws(() => parseRequest(requestBy(keys, keys, fields => ({ ...fields, pod: { ...pod, name: 'web-1' } }))), { code: 'bad-proof' })
  t.throws(() => parseRequest(requestBy(keys, keys, fields => ({ ...fields, ttlSeconds: 7200 }))), { code: 'bad-proof' })
  t.throws(() => parseRequest(requestBy(keys, keys, fields => ({ ...fields, proof: Buffer.from('x').toString('base64') }))), { code: 'bad-proof' })
})

t.test('there is no room for attributes', async t => {
  for (const [what, change] of [
    ['labels beside the pod', fields => ({ ...fields, labels: { app: 'admin' } })],
    ['labels of the pod', fields => ({ ...fields, pod: { ...pod, labels: { app: 'admin' } } })],
    ['a service account', fields => ({ ...fields, pod: { ...pod, serviceAccount: 'admin' } })],
    ['a node', fields => ({ ...fields, node: 'n2' })],
  ] satisfies [string, (fields: Record<string, unknown>) => unknown][]) {
    t.throws(() => parseRequest(requestBy(keys, keys, change)), { code: 'unknown-field' }, what)
  }
})

t.test('what is not a request is refused', async t => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'der' })
  const set = (change: Record<string, unknown>): Buffer => requestBy(keys, keys, fields => ({ ...fields, ...change }))
  for (const [what, body, code] of [
    ['nothing', Buffer.alloc(0), 'bad-request'],
    ['no JSON', Buffer.from('{'), 'bad-request'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'bad-request'],
    ['no map', Buffer.from('[]'), 'bad-request'],
    ['null', Buffer.from('null'), 'bad-request'],
    ['an empty map', Buffer.from('{}'), 'bad-request'],
    ['a path as a name', set({ pod: { ...pod, name: '../../secrets/x' } }), 'bad-request'],
    ['an empty uid', set({ pod: { ...pod, uid: '' } }), 'bad-request'],
    ['a name that is no text', set({ pod: { ...pod, name: 7 } }), 'bad-request'],
    ['no time', set({ ttlSeconds: 0 }), 'bad-request'],
    ['half a second', set({ ttlSeconds: 1.5 }), 'bad-request'],
    ['a text as time', set({ ttlSeconds: '60' }), 'bad-request'],
    ['a key that is none', set({ publicKey: Buffer.from('x').toString('base64') }), 'bad-key'],
    ['a key on another curve', set({ publicKey: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ type: 'spki', format: 'der' }).toString('base64') }), 'bad-key'],
    ['an RSA key', set({ publicKey: rsa.toString('base64') }), 'bad-key'],
    ['a proof that is no base64', set({ proof: '!' }), 'bad-request'],
  ] as const) {
    t.throws(() => parseRequest(body), { code }, what)
  }
})

t.test('an answer is a chain', async t => {
  const chain = [Buffer.from('leaf'), Buffer.from('signer')]
  t.same(parseAnswer(encodeAnswer(chain, 0)), chain)
  t.equal((JSON.parse(encodeAnswer(chain, 0)) as { notAfter: string }).notAfter, '1970-01-01T00:00:00.000Z')
  for (const text of ['', '{}', '{"chain":[]}', '{"chain":[1]}', '{"chain":["!"]}', '{"chain":["AA==","AA==","AA==","AA==","AA=="]}']) t.throws(() => parseAnswer(text), { code: 'bad-answer' }, text)
})
