import { generateKeyPairSync } from 'node:crypto'
import * as koffi from 'koffi'
import t from 'tap'
import { findCommon } from '../../src/sys/openssl/context.ts'
import { Memory, TlsConnection, TlsContext, WriteBuffers, census, readBufferBytes, tlsResult, traceLive } from '../../src/sys/index.ts'
import { localPair } from '../fixtures/local-pair.ts'
import { pairContext, pairSvid, tlsPair } from '../fixtures/tls-pair.ts'
import type { Test } from 'tap'
import type { TlsContextOptions } from '../../src/sys/index.ts'
import type { TlsPair } from '../fixtures/tls-pair.ts'

traceLive(true)

t.test('both ends see each other\'s chain, protocol and exported key', async t => {
  using ends = tlsPair()
  for (const end of [ends.client, ends.server]) {
    t.equal(end.protocol, 'liburna/1')
    t.same(end.peerChain().map(der => Buffer.from(der).toString('hex')), pairSvid.certificates.map(der => Buffer.from(der).toString('hex')))
  }
  t.same(ends.client.export('EXPORTER-test', 16), ends.server.export('EXPORTER-test', 16))
  t.notSame(ends.client.export('EXPORTER-test', 16), ends.server.export('EXPORTER-other', 16))
})

t.test('without a common protocol there is no connection', async t => {
  using ends = tlsPair({ protocols: ['other/1'] })
  t.match(ends.client.error, { code: /NO_APPLICATION_PROTOCOL/ })
})

t.test('what the socket does not take is kept, and sent later', async t => {
  using ends = tlsPair()
  ends.server.readAhead()
  const piece = new Memory(200 * 1024)
  const room = new Memory(readBufferBytes)
  let sent = 0
  while (!ends.client.isBlocked) {
    piece.bytes.fill(sent & 255)
    t.ok(ends.client.write(piece.address, piece.length))
    sent += piece.length
    ends.client.flush()
  }
  t.equal(ends.client.flush(), tlsResult.wantsWrite)
  let got = 0
  for (let i = 0; i < 10_000 && got < sent; i++) {
    const count = ends.server.read(room.address, room.length)
    if (count > 0) {
      t.ok(room.bytes.subarray(0, count).every((byte, j) => byte === (Math.floor((got + j) / piece.length) * piece.length & 255)))
      got += count
    } else {
      ends.client.flush()
    }
  }
  t.equal(got, sent)
  t.equal(ends.client.isBlocked, false)
  t.equal(ends.server.hasPending, false)
})

t.test('a proper close and a cut are told apart', async t => {
  using closing = tlsPair()
  const room = new Memory(16)
  t.equal(closing.server.read(room.address, 16), tlsResult.wantsRead)
  closing.client.sayClose()
  closing.client.flush()
  t.equal(closing.server.read(room.address, 16), tlsResult.closed)

  const [one, other] = localPair()
  using context = new TlsContext(pairContext)
  using buffers = new WriteBuffers()
  using cut = new TlsConnection(context, one.number, 'client', buffers)
  t.equal(cut.handshake(), tlsResult.wantsRead)
  other.close()
  t.equal(cut.handshake(), tlsResult.broken)
  t.ok(cut.error)
  cut.close()
  one.close()
})

t.test('a certificate, key or group that is none is refused, and nothing stays behind', async t => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  for (const [what, options] of Object.entries<Partial<TlsContextOptions>>({
    certificate: { certificates: [Buffer.from('no DER')] },
    key: { privateKey: Buffer.from('no DER') },
    'key of another': { privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }) },
    group: { groups: 'nonsense' },
  })) t.throws(() => new TlsContext({ ...pairContext, ...options }), { name: 'OpenSslError' }, what)
})

t.test('pre-shared keys', async t => {
  const key = { identity: Buffer.alloc(16, 1), secret: Buffer.alloc(48, 2) }
  const knows = (secret: Buffer) => ({ find: (identity: Uint8Array) => Buffer.compare(identity, key.identity) === 0 ? secret : undefined })
  const shown = ({ client, server }: TlsPair): unknown => [client, server].map(end => [end.hasUsedKey, end.peerChain().length])

  t.test('one that both ends have takes the place of certificates, as often as it is offered', async t => {
    const names = new Set<string>()
    for (let i = 0; i < 3; i++) {
      using ends = tlsPair({ keys: { client: { offers: key }, server: knows(key.secret) } })
      t.same(shown(ends), [[true, 0], [true, 0]])
      t.equal(ends.client.protocol, 'liburna/1')
      const name = Buffer.from(ends.client.export('EXPORTER-test', 16)).toString('hex')
      t.equal(Buffer.from(ends.server.export('EXPORTER-test', 16)).toString('hex'), name)
      names.add(name)
    }
    t.equal(names.size, 3, 'there was a key exchange each time')
  })

  t.test('also where the client has to say hello again', async t => {
    using ends = tlsPair({ groups: 'P-256:X25519', keys: { client: { offers: key }, server: knows(key.secret) } })
    t.same(shown(ends), [[true, 0], [true, 0]])
  })

  for (const [what, keys] of Object.entries({
    'one that the server does not know': { client: { offers: { ...key, identity: Buffer.alloc(16, 3) } }, server: knows(key.secret) },
    'one where the server has none': { client: { offers: key } },
    'none where the server has one': { server: knows(key.secret) },
  })) t.test(`${what} is a full handshake`, async t => {
    using ends = tlsPair({ keys })
    t.same(shown(ends), [[false, 1], [false, 1]])
  })

  t.test('who knows the name of a key and not the key itself gets nowhere', async t => {
    using ends = tlsPair({ keys: { client: { offers: key }, server: knows(Buffer.alloc(48, 4)) } })
    t.match(ends.server.error, { name: 'OpenSslError' })
    t.match(ends.client.error, { name: 'OpenSslError' })
  })
})

/** Two ends that have not shaken hands; the server takes X25519 only. */
function strangers (groups = 'X25519') {
  const [one, other] = localPair()
  using ends = new DisposableStack()
  ends.defer(() => { one.close(); other.close() })
  const buffers = ends.use(new WriteBuffers())
  const contextFor = (groups: string): TlsContext => ends.use(new TlsContext({ ...pairContext, groups }))
  const client = ends.use(new TlsConnection(contextFor(groups), one.number, 'client', buffers))
  const server = ends.use(new TlsConnection(contextFor('X25519'), other.number, 'server', buffers))
  const moved = ends.move()
  return { client, server, [Symbol.dispose]: () => { moved.dispose() } }
}

t.test('a server may speak with its first flight, to a client that has proven nothing yet', async t => {
  using ends = strangers()
  const { client, server } = ends
  t.equal(server.answer(), tlsResult.wantsRead)
  t.equal(client.handshake(), tlsResult.wantsRead)
  t.equal(server.answer(), tlsResult.done)
  const name = server.export('EXPORTER-test', 16)
  t.ok(server.sayEarly(Buffer.from('welcome')))

  t.equal(client.handshake(), tlsResult.done)
  t.same(client.export('EXPORTER-test', 16), name)
  t.equal(heard(client), 'welcome')

  t.equal(server.handshake(), tlsResult.done)
  t.equal(server.peerChain().length, 1)
  t.same(server.export('EXPORTER-test', 16), name)
  talk(t, ends)
})

t.test('where the client has to say hello again the server speaks when the handshake is over', async t => {
  using ends = strangers('P-256:X25519')
  const { client, server } = ends
  t.equal(client.handshake(), tlsResult.wantsRead)
  for (let i = 0; i < 2; i++) { // after the HelloRetryRequest, and after the first flight
    t.equal(server.answer(), tlsResult.wantsRead)
    t.equal(client.handshake(), i === 0 ? tlsResult.wantsRead : tlsResult.done)
  }
  t.equal(server.answer(), tlsResult.done)
  t.ok(server.sayEarly(Buffer.from('welcome')))
  t.equal(heard(client), 'welcome')
  t.equal(server.handshake(), tlsResult.done, 'once more changes nothing')
  t.same(server.export('EXPORTER-test', 16), client.export('EXPORTER-test', 16))
  talk(t, ends)
})

function heard (end: TlsConnection): string {
  const room = new Memory(64)
  return Buffer.from(room.bytes.subarray(0, Math.max(0, end.read(room.address, room.length)))).toString()
}

function talk (t: Test, { client, server }: { client: TlsConnection, server: TlsConnection }): void {
  const piece = new Memory(4)
  piece.bytes.set(Buffer.from('word'))
  for (const [from, to] of [[client, server], [server, client]] as const) {
    t.equal(from.send(piece.address, piece.length), tlsResult.done)
    t.equal(heard(to), 'word')
  }
}

t.test('a context takes no early data, which OpenSSL leaves to be said', async t => {
  using context = new TlsContext(pairContext)
  t.equal(koffi.load(null).func('uint32 SSL_CTX_get_max_early_data(uintptr_t ctx)')(context.pointer), 0)
})

t.test('a closed context cannot be used, and may be closed twice', async t => {
  const context = new TlsContext(pairContext)
  context.close()
  context.close()
  t.throws(() => context.pointer, /closed/)
})

t.test('the common protocol is the first of ours, and a list that lies about its lengths has none', async t => {
  const list = (...names: string[]): Buffer => Buffer.concat(names.map(name => Buffer.from([name.length, ...Buffer.from(name)])))
  t.equal(findCommon(list('b', 'a'), list('a', 'b')), 2)
  t.equal(findCommon(list('a'), list('b')), undefined)
  t.equal(findCommon(list('abc'), Buffer.from([3, 97, 98])), undefined)
  t.equal(findCommon(list('abc'), Buffer.alloc(0)), undefined)
})

t.test('nothing is left alive by all of the above', t => {
  t.same(census(), { counts: {}, makers: [] })
  t.end()
})
