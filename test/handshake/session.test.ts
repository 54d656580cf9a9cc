import * as tls from 'node:tls'
import t from 'tap'
import { HandshakeError, secureInbound, secureOutbound } from '../../src/handshake/index.ts'
import { FrameType, encodeFrame, encodeHeader } from '../../src/frames/frames.ts'
import { encodeGreeting, encodeVerdict } from '../../src/frames/messages.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { socketAddress } from '../../src/model/address.ts'
import { badCertificates } from '../fixtures/bad-certificates.ts'
import { identityOf } from '../fixtures/authority.ts'
import { socketPair } from '../fixtures/sockets.ts'
import type { Socket } from 'node:net'
import type { FrameChannel, HandshakeParts, Session } from '../../src/handshake/index.ts'
import type { Svid } from '../../src/identity/index.ts'

const { trust, east, west, cases } = badCertificates()
const web = east.certificateFor(identityOf())
const front = east.certificateFor(identityOf({ name: 'front' }, { serviceAccount: 'front' }))

function partsOf (svid: Svid): HandshakeParts {
  return {
    svids: { current: () => svid, ready: () => Promise.resolve(svid), onChange: () => () => {} },
    trust: { bundles: () => trust, onChange: () => () => {} },
    clock: systemClock, groups: 'X25519', resumeForMs: 0, mode: 'encrypt',
  }
}

/** Where the connections arrive. */
const reached = socketAddress('10.244.0.2', 8080)

/** How a handshake ended: the session, or the error. */
type Ended = Session<FrameChannel> | HandshakeError

/** Both ends shake hands over a real connection; each resolves with what that end came to. */
async function shaking (client: Svid, server: Svid): Promise<{ client: Promise<Ended>, server: Promise<Ended>, hangUp: () => void }> {
  const pair = await socketPair()
  const signal = AbortSignal.timeout(5000)
  return {
    client: endedBy(secureOutbound(pair.client, partsOf(client), signal)),
    server: endedBy(secureInbound(pair.server, reached, partsOf(server), signal)),
    hangUp: () => { pair[Symbol.dispose]() },
  }
}

/** As `shaking`, when both are done. */
async function shake (client: Svid, server: Svid): Promise<{ client: Ended, server: Ended, [Symbol.dispose] (): void }> {
  const hands = await shaking(client, server)
  return { client: await hands.client, server: await hands.server, [Symbol.dispose]: hands.hangUp }
}

async function endedBy (shaking: Promise<Session<FrameChannel>>): Promise<Ended> {
  try {
    return await shaking
  } catch (error) {
    if (error instanceof HandshakeError) return error
    throw error
  }
}

function sessionOf (ended: Ended): Session<FrameChannel> {
  if (ended instanceof HandshakeError) throw ended
  return ended
}

t.test('both ends prove each other, also across trust domains, and name the flow alike', async t => {
  for (const server of [web, west.certificateFor(identityOf({}, { trustDomain: 'west.example' }))]) {
    using hands = await shake(front, server)
    const [client, other] = [sessionOf(hands.client), sessionOf(hands.server)]
    t.same(client.peer.identity, server.identity)
    t.same(other.peer.identity, front.identity)
    t.match(client.flowId, /^[0-9a-f]{32}$/)
    t.equal(client.flowId, other.flowId)
  }
})

t.test('greetings and verdicts arrive, and data follows the client\'s verdict without waiting', async t => {
  using hands = await shake(front, web)
  const [client, server] = [sessionOf(hands.client), sessionOf(hands.server)]
  const dialled = socketAddress('198.18.0.1', 80)
  t.same(await client.greeted(), reached)
  client.greet(dialled)
  client.tell({ accepted: true, mode: 'encrypt', decidedBy: 'rule', reason: 'why' })
  client.channel.sendData(Buffer.from('early'))
  t.same(await server.greeted(), dialled)
  t.same(await server.told(), { accepted: true, mode: 'encrypt', decidedBy: 'rule', reason: 'why' })
  const data = await new Promise<string>(resolve => {
    const nothing = (): void => {}
    server.channel.forward({ onData: bytes => { resolve(Buffer.from(bytes).toString()) }, onEnd: nothing, onVerdict: nothing, onReset: nothing, onCertificate: nothing, onGoingAway: nothing, onBroken: nothing, onDrain: nothing, onFinish: nothing })
  })
  t.equal(data, 'early')
})

t.test('a certificate that nobody may accept is refused at either end, and the other end hears why', async t => {
  for (const { name, code, svid, presentable } of cases) {
    if (!presentable) continue
    const asClient = await shaking(svid, web)
    const refused = sessionOf(await asClient.client)
    await refused.greeted() // which leaves before the server has looked at anything
    t.match(await refused.told(), { accepted: false, decidedBy: 'identity', reason: new RegExp(code) }, `client hears: ${name}`)
    asClient.hangUp()
    t.match(await asClient.server, { code: 'peer-untrusted', detail: code }, `client: ${name}`)
    const asServer = await shaking(front, svid)
    await t.rejects(sessionOf(await asServer.server).greeted(), { code: 'refused-by-peer', detail: new RegExp(code) }, `server hears: ${name}`)
    asServer.hangUp()
    t.match(await asServer.client, { code: 'peer-untrusted', detail: code }, `server: ${name}`)
  }
  t.ok(cases.filter(({ presentable }) => presentable).length > 20, 'the table is not empty')
})

/** A peer that is not ours: it gets the raw socket of the other end. */
async function against (role: 'client' | 'server', peer: (socket: Socket) => void, ms = 5000): Promise<Ended> {
  using pair = await socketPair()
  const signal = AbortSignal.timeout(ms)
  peer(role === 'client' ? pair.server : pair.client)
  return await endedBy(role === 'client'
    ? secureOutbound(pair.client, partsOf(front), signal)
    : secureInbound(pair.server, reached, partsOf(web), signal))
}

/** TLS as a client or server of another make. */
const pemOfKey = (svid: Svid): string => svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const asClient = (options: tls.ConnectionOptions) => (socket: Socket): void => {
  tls.connect({ socket, rejectUnauthorized: false, ALPNProtocols: ['liburna/1'], ...options }).on('error', () => {})
}

t.test('a client of another make is refused, each with its reason', async t => {
  const credentials = { cert: front.certificatesPem, key: pemOfKey(front) }
  t.match(await against('server', asClient({})), { code: 'peer-untrusted', detail: 'no-certificate' }, 'no client certificate')
  t.match(await against('server', asClient({ ...credentials, maxVersion: 'TLSv1.2' })), { code: 'handshake-failed' }, 'TLS 1.2')
  t.match(await against('server', asClient({ ...credentials, ALPNProtocols: ['h2'] })), { code: 'handshake-failed' }, 'another protocol')
  t.match(await against('server', asClient({ ...credentials, ALPNProtocols: [] })), { code: 'protocol-error', detail: /ALPN/ }, 'no protocol')
  t.match(await against('server', socket => { socket.write('GET / HTTP/1.1\r\n\r\n') }), { code: 'handshake-failed' }, 'garbage')
  t.match(await against('server', socket => { socket.resetAndDestroy() }), { code: 'handshake-failed' }, 'a reset')
  t.match(await against('client', socket => { socket.end('220 smtp\r\n') }), { code: 'handshake-failed' }, 'a server that is no agent')
})

t.test('silence ends with the deadline, whoever is silent', async t => {
  const reason = new HandshakeError('handshake-timeout', 'test')
  for (const role of ['client', 'server'] as const) {
    using pair = await socketPair()
    const controller = new AbortController()
    const ended = endedBy(role === 'client' ? secureOutbound(pair.client, partsOf(front), controller.signal) : secureInbound(pair.server, reached, partsOf(web), controller.signal))
    controller.abort(reason)
    t.equal(await ended, reason)
  }
})

t.test('a proven peer that breaks the protocol of the greeting is cut off', async t => {
  const address = socketAddress('10.0.0.1', 80)
  const breaks: Array<[string, (flowId: Uint8Array) => Uint8Array, { code: string, detail?: RegExp }]> = [
    ['a greeting of another connection', () => encodeGreeting({ role: 'client', flowId: new Uint8Array(16), address }), { code: 'protocol-error', detail: /another connection/ }],
    ['our own greeting sent back', flowId => encodeGreeting({ role: 'server', flowId, address }), { code: 'protocol-error', detail: /not of the client end/ }],
    ['a length of 2^31', () => Uint8Array.of(0x80, 0, 0, 0), { code: 'protocol-error', detail: /unknown frame type/ }],
    ['a greeting of 16 MiB', () => Uint8Array.of(1, 255, 255, 255), { code: 'protocol-error', detail: /16777215 bytes/ }],
    ['data where a greeting is due', () => encodeHeader(FrameType.data, 5), { code: 'protocol-error' }],
    ['an accepting verdict in place of a greeting', () => encodeVerdict({ accepted: true, mode: 'encrypt', decidedBy: '', reason: '' }), { code: 'protocol-error' }],
    ['a truncated greeting', () => encodeFrame(FrameType.greeting, new Uint8Array(7).fill(1)), { code: 'protocol-error' }],
  ]
  for (const [name, frame, expected] of breaks) {
    using hands = await shake(front, web)
    const [client, server] = [sessionOf(hands.client), sessionOf(hands.server)]
    const greeted = server.greeted()
    client.channel.send(frame(Buffer.from(client.flowId, 'hex')))
    if (name.startsWith('data')) client.channel.send(Buffer.from('12345'))
    await t.rejects(greeted, { ...expected }, name)
  }
})

t.test('a renewed certificate of the same pod is believed, one of another pod is not', async t => {
  using hands = await shake(front, web)
  const server = sessionOf(hands.server)
  const relabelled = east.certificateFor(identityOf({ name: 'front', labels: { app: 'front', tier: 'new' } }, { serviceAccount: 'front' }))
  server.believe(relabelled.certificates)
  t.same(server.peer.identity.attributes.labels, { app: 'front', tier: 'new' })
  const other = east.certificateFor(identityOf({ name: 'front', uid: 'another' }, { serviceAccount: 'front' }))
  t.throws(() => { server.believe(other.certificates) }, { code: 'protocol-error', detail: /another pod/ })
  t.throws(() => { server.believe(web.certificates) }, { code: 'protocol-error' })
  t.throws(() => { server.believe([]) }, { code: 'peer-untrusted' })
  t.same(server.peer.identity.attributes.labels, { app: 'front', tier: 'new' }, 'and nothing has changed')
})
