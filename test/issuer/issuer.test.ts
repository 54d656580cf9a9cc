/** The whole issuer in process, over real TLS on loopback, with a cluster in memory. */

import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:https'
import t from 'tap'
import { Agent, request } from 'undici'
import { startIssuer } from '../../src/issuer-app.ts'
import { parseIssuerConfig } from '../../src/issuer-config.ts'
import { SvidRotation, TrustBundles, trustRootOf, certificatesIn, verifyChain } from '../../src/identity/index.ts'
import { RemoteIssuer } from '../../src/issuer/index.ts'
import { encodeRequest } from '../../src/issuer/messages.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { formatSocketAddress } from '../../src/model/address.ts'
import { identityOf, p256, TestAuthority } from '../fixtures/authority.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { FakeKubernetes, podOf, tokenWith } from '../fixtures/kubernetes-fake.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { TrustSource } from '../../src/identity/index.ts'
import type { Identity } from '../../src/model/workload.ts'

const hourMs = 3_600_000
const settings = `
cluster: east
trustDomain: east.example
listen: 127.0.0.1:0
bundle: {listen: "127.0.0.1:0"}
health: {listen: "127.0.0.1:0"}
limits: {requests: 2, nodePerSecond: 0.1, nodeBurst: 20}
`
const issuerId = { trustDomain: 'east.example', namespace: 'liburna', serviceAccount: 'liburna-issuer' }
const prover = (keys: ReturnType<typeof p256>) => (statement: Uint8Array) => sign('sha256', statement, keys.privateKey)

async function world (t: Test, more = '') {
  const kubernetes = new FakeKubernetes()
  const folder = new TestFolder()
  t.teardown(() => { folder[Symbol.dispose]() })
  const log = memoryLog()
  const issuer = await startIssuer(parseIssuerConfig(settings + more, folder.at('issuer.yaml')), {
    version: 'test', log, kubernetes: { reviewer: kubernetes, pods: kubernetes, secrets: kubernetes.secrets, publisher: kubernetes.publisher },
  })
  t.teardown(() => issuer.stop())
  const url = `https://${formatSocketAddress(issuer.addresses.agents)}`
  const bundle = (): TrustBundles => new TrustBundles(certificatesIn(kubernetes.publisher.objects.get('liburna-bundle')?.data['bundle.pem'] ?? '').map(trustRootOf))
  const trust: TrustSource = { bundles: bundle, onChange: () => () => {} }
  const client = (token: string, changes: { trust?: TrustSource, url?: string, timeoutMs?: number } = {}): RemoteIssuer => {
    const client = new RemoteIssuer({ url, spiffeId: issuerId, tokenFile: folder.write(`token-${Math.random()}`, `${token}\n`), ...changes }, changes.trust ?? trust, systemClock)
    t.teardown(() => client[Symbol.asyncDispose]())
    return client
  }
  const ask = async (token: string, identity: Identity = wanted()): Promise<readonly Uint8Array[]> => {
    const keys = p256()
    return client(token).issue(identity, keys.publicKey, hourMs, AbortSignal.timeout(10_000), prover(keys))
  }
  const metrics = async (): Promise<string> => (await request(`http://${formatSocketAddress(issuer.addresses.health)}/metrics`)).body.text()
  return { kubernetes, folder, log, issuer, url, trust, bundle, client, ask, metrics }
}

/** What an agent knows of the pod web-0: the names count, the rest may be old or wrong. */
function wanted (attributes: Partial<Identity['attributes']> = {}): Identity {
  return identityOf({ name: 'web-0', uid: 'uid-web-0', cluster: 'east', ...attributes })
}

t.test('an agent gets a certificate for a pod of its node, with what the issuer reads', async t => {
  const { kubernetes, ask, bundle, log, metrics } = await world(t)
  kubernetes.add(podOf({ labels: { app: 'web', tier: 'real' } }))
  const chain = await ask(kubernetes.agentOn('n1'), wanted({ labels: { app: 'admin' }, namespaceLabels: { 'kubernetes.io/metadata.name': 'shop', 'team': 'bank' }, images: [] }))
  const verdict = verifyChain(chain, bundle(), Date.now())
  if (!verdict.ok) return t.fail(verdict.message)
  t.same(verdict.identity.spiffeId, { trustDomain: 'east.example', namespace: 'shop', serviceAccount: 'web' })
  t.same(verdict.identity.attributes, {
    cluster: 'east', namespace: 'shop', name: 'web-0', uid: 'uid-web-0', owner: { kind: 'Deployment', name: 'web' },
    labels: { app: 'web', tier: 'real' }, namespaceLabels: { 'team': 'shop', 'kubernetes.io/metadata.name': 'shop' },
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }], images: [`sha256:${'a'.repeat(64)}`],
  })
  t.match(log.lines.find(({ message }) => message === 'certificate issued'), { level: 'info', fields: { node: 'n1', pod: 'shop/web-0' } })
  t.match(await metrics(), /liburna_issuer_request_seconds_count\{path="\/v1\/certificates",result="ok"\} 1/)
})

t.test('a rotation lives on it', async t => {
  const { kubernetes, client, trust } = await world(t)
  const rotation = new SvidRotation(wanted(), { issuer: client(kubernetes.agentOn('n1')), trust, clock: systemClock })
  t.teardown(() => { rotation.stop() })
  rotation.start()
  const svid = await rotation.ready(AbortSignal.timeout(10_000))
  t.match(svid.identity.attributes, { name: 'web-0', labels: { app: 'web' } })
})

t.test('refusals are told, logged and counted', async t => {
  const { kubernetes, ask, log, metrics } = await world(t, 'agents: [liburna/liburna-agent]\n')
  const token = kubernetes.agentOn('n1')
  kubernetes.add(podOf({ name: 'far', uid: 'uid-far', node: 'n2' }), podOf({ name: 'host', uid: 'uid-host', hostNetwork: true }), podOf({ name: 'done', uid: 'uid-done', isFinished: true }),
    podOf({ name: 'early', uid: 'uid-early', node: '' }), podOf({ namespace: 'liburna', name: 'issuer', uid: 'uid-issuer', serviceAccount: 'liburna-issuer' }), podOf({ name: 'odd', uid: 'uid-odd', labels: { app: 'a\nb' } }))
  for (const [what, by, identity, code] of [
    ['a pod of the other node', token, wanted({ name: 'far', uid: 'uid-far' }), 'other-node'],
    ['a pod that is not scheduled', token, wanted({ name: 'early', uid: 'uid-early' }), 'other-node'],
    ['another pod of that name', token, wanted({ uid: 'uid-of-before' }), 'no-such-pod'],
    ['no pod', token, wanted({ name: 'none' }), 'no-such-pod'],
    ['a pod that is its node', token, wanted({ name: 'host', uid: 'uid-host' }), 'host-network'],
    ['a pod that has ended', token, wanted({ name: 'done', uid: 'uid-done' }), 'pod-ended'],
    ['the issuer itself', token, wanted({ namespace: 'liburna', name: 'issuer', uid: 'uid-issuer' }), 'reserved-identity'],
    ['a label that cannot be signed', token, wanted({ name: 'odd', uid: 'uid-odd' }), 'not-signable'],
    ['a token of another audience', tokenWith({ aud: ['vault'], exp: 4e9 }), wanted(), 'wrong-audience'],
    ['an expired token', tokenWith({ aud: ['liburna-issuer'], exp: 1e9 }), wanted(), 'token-expired'],
    ['a token of a workload', kubernetes.agentOn('n3', { username: 'system:serviceaccount:shop:web' }), wanted(), 'not-an-agent'],
    ['a text that is no token', 'secret-but-no-jwt', wanted(), 'bad-token'],
  ] as const) {
    await t.rejects(ask(by, identity), { code: 'issuer-refused', message: new RegExp(`: ${code} `) }, what)
    t.equal(log.lines.findLast(({ message }) => message === 'request refused')?.fields['refusal'], code, what)
    t.match(await metrics(), `result="${code}"`, what)
  }
  const text = JSON.stringify(log.lines.map(line => ({ ...line, fields: { ...line.fields, error: String(line.fields['error']) } })))
  for (const secret of [token, 'secret-but-no-jwt', 'PRIVATE KEY']) t.notOk(text.includes(secret), 'no secret is in the log')
})

t.test('a forged attribute, a big body, another path, another method: refused before anything is read', async t => {
  const { kubernetes, trust, url } = await world(t)
  const token = kubernetes.agentOn('n1')
  const keys = p256()
  const good = JSON.parse(encodeRequest(wanted().attributes, keys.publicKey, hourMs, prover(keys))) as Record<string, unknown> // our own text
  const agent = new Agent({ connect: { ca: [...trust.bundles().pem], checkServerIdentity: () => undefined } })
  t.teardown(() => agent.destroy())
  const send = async (body: string, { path = '/v1/certificates', method = 'POST' as const, authorization = `Bearer ${token}` } = {}) => {
    const answer = await request(url + path, { method, body, headers: { authorization }, dispatcher: agent })
    return [answer.statusCode, (await answer.body.json() as { error?: string }).error] // the issuer's own form
  }
  t.same(await send(JSON.stringify(good)), [200, undefined])
  t.same(await send(JSON.stringify({ ...good, labels: { app: 'admin' } })), [400, 'unknown-field'])
  t.same(await send(JSON.stringify({ ...good, pod: { ...wanted().attributes } })), [400, 'unknown-field'])
  t.same(await send('x'.repeat(5000)), [413, 'too-large'])
  t.same(await send('{'), [400, 'bad-request'])
  t.same(await send(JSON.stringify(good), { authorization: '' }), [401, 'bad-token'])
  t.same(await send('', { path: '/v1/else' }), [404, 'no-such-path'])
  t.same(await send('', { path: '/bundle.json' }), [404, 'no-such-path'], 'the bundle is not at the door of the agents')
  const get = await request(`${url}/v1/certificates`, { dispatcher: agent })
  t.equal(get.statusCode, 405)
  await get.body.dump()
})

t.test('one node that asks too often is slowed down, the other is not', async t => {
  const { kubernetes, ask } = await world(t)
  const [a, b] = [kubernetes.agentOn('n1'), kubernetes.agentOn('n2')]
  kubernetes.add(podOf({ name: 'far', uid: 'uid-far', node: 'n2' }))
  for (let i = 0; i < 20; i++) await ask(a)
  await t.rejects(ask(a), { code: 'issuer-busy', message: /rate-limited/ })
  t.equal((await ask(b, wanted({ name: 'far', uid: 'uid-far' }))).length, 2)
})

t.test('nobody gets a certificate for longer than the settings allow', async t => {
  const { kubernetes, client, bundle } = await world(t, 'certificates: {mostTtl: 10m}\n')
  const keys = p256()
  const beforeMs = Date.now()
  const chain = await client(kubernetes.agentOn('n1')).issue(wanted(), keys.publicKey, 100 * hourMs, AbortSignal.timeout(10_000), prover(keys))
  const verdict = verifyChain(chain, bundle(), Date.now())
  if (!verdict.ok) return t.fail(verdict.message)
  t.ok(verdict.notAfterMs >= beforeMs + 600_000 - 1000 && verdict.notAfterMs <= Date.now() + 600_000, 'ten minutes')
})

t.test('more requests at once than the settings allow are asked to come back', async t => {
  const { kubernetes, ask } = await world(t)
  const { promise, resolve } = Promise.withResolvers<void>()
  kubernetes.gate = promise
  const waiting = ['n1', 'n3'].map(node => ask(kubernetes.agentOn(node)).then(() => 'issued', (error: Error) => error.message))
  await eventually(() => kubernetes.reviews === 2)
  await t.rejects(ask(kubernetes.agentOn('n4')), { code: 'issuer-busy', message: /: busy/ })
  t.equal(kubernetes.reviews, 2)
  resolve()
  t.match(await Promise.all(waiting), ['issued', /other-node/])
  t.equal((await ask(kubernetes.agentOn('n1'))).length, 2)
})

t.test('a pod that was relabelled gets its new labels with the very next certificate', async t => {
  const { kubernetes, ask, bundle } = await world(t)
  const token = kubernetes.agentOn('n1')
  await ask(token)
  kubernetes.add(podOf({ labels: { app: 'other' } }))
  t.match(verifyChain(await ask(token), bundle(), Date.now()), { identity: { attributes: { labels: { app: 'other' } } } })
})

t.test('while the API server is away the issuer asks to come back', async t => {
  const { kubernetes, ask, issuer } = await world(t)
  const token = kubernetes.agentOn('n1')
  kubernetes.fails = new Error('connection refused')
  await t.rejects(ask(token), { code: 'issuer-busy', message: /unavailable/ })
  kubernetes.fails = undefined
  t.equal((await ask(token)).length, 2)
  t.equal((await request(`http://${formatSocketAddress(issuer.addresses.health)}/readyz`)).statusCode, 200)
})

t.test('the client talks to nobody but the issuer, and sends no token before it knows', async t => {
  const { kubernetes, client, trust } = await world(t)
  const token = kubernetes.agentOn('n1')
  const keys = p256()
  const stranger = new TestAuthority({ trustDomain: 'east.example' })
  const try_ = (options: Parameters<typeof client>[1]) => client(token, options).issue(wanted(), keys.publicKey, hourMs, AbortSignal.timeout(10_000), prover(keys))
  await t.rejects(try_({ trust: stranger.trustSource() }), { code: 'issuer-untrusted' }, 'a root that did not sign the issuer')
  const none = new TrustBundles([])
  await t.rejects(try_({ trust: { bundles: () => none, onChange: () => () => {} } }), { code: 'issuer-untrusted' }, 'without any root')

  let requests = 0
  const fake = async (identity: Identity, authority: TestAuthority): Promise<string> => {
    const svid = authority.certificateFor(identity)
    const server = createServer({ cert: svid.certificatesPem, key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }) }, (_, response) => { requests++; response.end('{}') })
    await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
    t.teardown(() => { server.close(); server.closeAllConnections() })
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
  }
  const workload = await fake(wanted(), stranger)
  await t.rejects(try_({ url: workload, trust: stranger.trustSource() }), { code: 'issuer-untrusted', message: /is not spiffe:\/\/east\.example\/ns\/liburna\/sa\/liburna-issuer/ }, 'a workload of the same trust domain')
  await t.rejects(try_({ url: workload, trust }), { code: 'issuer-untrusted' })
  t.equal(requests, 0)
  const impostor = await fake(identityOf({ namespace: 'liburna' }, { serviceAccount: 'liburna-issuer' }), stranger)
  await t.rejects(try_({ url: impostor, trust: stranger.trustSource() }), { code: 'bad-answer' }, 'an answer that is none')
})

t.test('what the client says when there is no issuer, no token, no time', async t => {
  const { kubernetes, client, folder, trust, url } = await world(t)
  const token = kubernetes.agentOn('n1')
  const keys = p256()
  const away = client(token, { url: 'https://127.0.0.1:1' })
  await t.rejects(away.issue(wanted(), keys.publicKey, hourMs, AbortSignal.timeout(10_000), prover(keys)), { code: 'issuer-unreachable' })
  const stop = new AbortController()
  stop.abort(new Error('no longer wanted'))
  await t.rejects(client(token).issue(wanted(), keys.publicKey, hourMs, stop.signal, prover(keys)), { message: 'no longer wanted' })
  for (const [file, what] of [[folder.at('none'), /cannot be read/], [folder.write('empty', '\n'), /holds no token/], [folder.write('two', 'a\r\nx: y'), /holds no token/]] as const) {
    const without = new RemoteIssuer({ url, spiffeId: issuerId, tokenFile: file }, trust, systemClock)
    t.teardown(() => without[Symbol.asyncDispose]())
    await t.rejects(without.issue(wanted(), keys.publicKey, hourMs, AbortSignal.timeout(10_000), prover(keys)), { code: 'token-unreadable', message: what })
  }
})

t.test('a token that the kubelet has replaced is used at the next request', async t => {
  const { kubernetes, folder, trust, url } = await world(t)
  const keys = p256()
  const file = folder.write('token', tokenWith({ aud: ['liburna-issuer'], exp: 1e9 }))
  const client = new RemoteIssuer({ url, spiffeId: issuerId, tokenFile: file }, trust, systemClock)
  t.teardown(() => client[Symbol.asyncDispose]())
  const ask = () => client.issue(wanted(), keys.publicKey, hourMs, AbortSignal.timeout(10_000), prover(keys))
  await t.rejects(ask(), { message: /token-expired/ })
  folder.replace('token', kubernetes.agentOn('n1'))
  t.equal((await ask()).length, 2)
})

t.test('only the key that asks is certified', async t => {
  const { kubernetes, client } = await world(t)
  const [mine, yours] = [p256(), p256()]
  await t.rejects(client(kubernetes.agentOn('n1')).issue(wanted(), yours.publicKey, hourMs, AbortSignal.timeout(10_000), prover(mine)), { message: /bad-proof/ })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await t.rejects(client(kubernetes.agentOn('n1')).issue(wanted(), rsa.publicKey, hourMs, AbortSignal.timeout(10_000), prover(rsa)), { message: /bad-key/ })
})

t.test('two replicas serve with the same authority, and one that starts later joins them', async t => {
  const first = await world(t)
  const second = await startIssuer(parseIssuerConfig(settings, first.folder.at('issuer.yaml')), {
    version: 'test', log: memoryLog(), kubernetes: { reviewer: first.kubernetes, pods: first.kubernetes, secrets: first.kubernetes.secrets, publisher: first.kubernetes.publisher },
  })
  t.teardown(() => second.stop())
  const keys = p256()
  const client = first.client(first.kubernetes.agentOn('n1'), { url: `https://${formatSocketAddress(second.addresses.agents)}` })
  const chain = await client.issue(wanted(), keys.publicKey, hourMs, AbortSignal.timeout(10_000), prover(keys))
  t.match(verifyChain(chain, first.bundle(), Date.now()), { ok: true })
  t.same(chain[1], (await first.ask(first.kubernetes.agentOn('n1')))[1], 'the same signer')
})

t.test('trust domains that are told of each other believe each other, by the bundle endpoint', async t => {
  const west = await world(t, '')
  const folder = new TestFolder()
  t.teardown(() => { folder[Symbol.dispose]() })
  folder.write('west.json', west.kubernetes.publisher.objects.get('liburna-bundle')?.data['bundle.json'] ?? '')
  const kubernetes = new FakeKubernetes()
  const config = `cluster: north\ntrustDomain: north.example\nlisten: 127.0.0.1:0\nbundle: {listen: "127.0.0.1:0"}\nhealth: {listen: "127.0.0.1:0"}
federation: [{trustDomain: east.example, url: "https://${formatSocketAddress(west.issuer.addresses.bundle)}/bundle.json", endpointId: spiffe://east.example/ns/liburna/sa/liburna-issuer, file: west.json}]\n`
  const north = await startIssuer(parseIssuerConfig(config, folder.at('issuer.yaml')), { version: 'test', log: memoryLog(), kubernetes: { reviewer: kubernetes, pods: kubernetes, secrets: kubernetes.secrets, publisher: kubernetes.publisher } })
  t.teardown(() => north.stop())
  const health = `http://${formatSocketAddress(north.addresses.health)}/metrics`
  await eventually(async () => /liburna_issuer_federation_total\{trust_domain="east.example",result="ok"\} 1/.test(await (await request(health)).body.text()))
  const data = await eventually(() => Object.hasOwn(kubernetes.publisher.objects.get('liburna-bundle')?.data ?? {}, 'federated.east.example.json') ? kubernetes.publisher.objects.get('liburna-bundle')?.data : undefined)
  const trust = new TrustBundles(certificatesIn(data['bundle.pem'] ?? '').map(trustRootOf))
  t.same([...trust.trustDomains].sort(), ['east.example', 'north.example'])
  t.match(verifyChain(await west.ask(west.kubernetes.agentOn('n1')), trust, Date.now()), { ok: true })
})
