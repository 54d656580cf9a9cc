import t from 'tap'
import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { socketAddress } from '../../src/model/address.ts'
import { bindListener, liveFds, listenOn, localAddressOf, markOf, openDialer, openListener, resetOnClose, savedSyn } from '../../src/sys/index.ts'
import { StreamConnection } from '../../src/relay/streams/connection.ts'
import { getOption, options } from '../../src/sys/sockopt.ts'
import { needs } from '../fixtures/needs.ts'
import type { SocketConstructorOpts } from 'node:net'
import type { Fd } from '../../src/sys/index.ts'

/** Lets Node connect a descriptor; it is undocumented, so this file is also the test that it works. */
async function connect (fd: Fd, host: string, port: number): Promise<Socket> {
  const socket = new Socket({ fd: fd.release(), manualStart: true } as SocketConstructorOpts) // not in the types
  socket.connect({ host, port })
  await once(socket, 'connect')
  return socket
}

const fdOf = (socket: Socket): number => new StreamConnection(socket).descriptor ?? -1

for (const host of ['127.0.0.1', '::1']) {
  const family = host.includes(':') ? 6 : 4
  t.test(`a listener's mark and SYN are found on what it accepts, ${host}`, async t => {
    if (!needs(t, 'transparent', 'saved-syn')) return
    const listener = openListener({ address: socketAddress(host, 0), mark: 0x01000000, saveSyn: true })
    const { ip, port } = localAddressOf(listener.number)
    t.equal(ip.text, host)
    const server = createServer()
    server.listen({ fd: listener.release() })
    const accepted = once(server, 'connection')
    const client = await connect(openDialer({ family, mark: 0x02000000 }), host, port)
    const [socket] = await accepted as [Socket] // what net.Server emits
    t.equal(markOf(fdOf(client)), 0x02000000, 'the descriptor that Node connected is ours')
    t.equal(markOf(fdOf(socket)), 0x01000000)
    for (const end of [client, socket]) t.same([getOption(fdOf(end), options.noDelay), getOption(fdOf(end), options.keepAlive), getOption(fdOf(end), options.keepIdle)], [1, 1, 300])
    const syn = savedSyn(fdOf(socket))
    t.equal((syn[0] ?? 0) >> 4, family, 'from the network header on')
    t.equal(savedSyn(fdOf(socket)).length, 0, 'once')
    client.destroy()
    socket.destroy()
    server.close()
  })
}

t.test('a bound socket holds its port and takes no connection before it listens', async t => {
  using listener = bindListener({ address: socketAddress('127.0.0.1', 0) })
  const { port } = localAddressOf(listener.number)
  t.throws(() => bindListener({ address: socketAddress('127.0.0.1', port) }), { code: 'EADDRINUSE' })
  const dial = (): Promise<Socket> => connect(openDialer({ family: 4 }), '127.0.0.1', port)
  await t.rejects(dial(), { code: 'ECONNREFUSED' })
  listenOn(listener, 16)
  ;(await dial()).destroy()
})

t.test('an address that is not ours needs transparency', async t => {
  if (!needs(t, 'transparent')) return
  t.throws(() => bindListener({ address: socketAddress('192.0.2.1', 0) }), { name: 'SysError', code: 'EADDRNOTAVAIL', syscall: 'bind', message: /192\.0\.2\.1:0/ })
  bindListener({ address: socketAddress('192.0.2.1', 0), transparent: true }).close()
  bindListener({ address: socketAddress('2001:db8::1', 0), transparent: true }).close()
  t.throws(() => openDialer({ family: 4, bind: { ip: socketAddress('192.0.2.1', 0).ip } }), { code: 'EADDRNOTAVAIL' })
})

t.test('a fixed port is used, and told when the whole tuple is in use', async t => {
  const listener = openListener({ address: socketAddress('127.0.0.1', 0) })
  const { port } = localAddressOf(listener.number)
  const from = (): Fd => openDialer({ family: 4, bind: { ip: socketAddress('127.0.0.1', 0).ip, port: 20_017 } })
  const first = await connect(from(), '127.0.0.1', port)
  t.equal(first.localPort, 20_017)
  await t.rejects(connect(from(), '127.0.0.1', port), { code: 'EADDRNOTAVAIL' })
  first.destroy()
  listener.close()
})

t.test('a preferred range is kept where the kernel can', async t => {
  if (!needs(t, 'port-range')) return
  for (const host of ['127.0.0.1', '::1']) {
    using listener = openListener({ address: socketAddress(host, 0) })
    const bind = { ip: socketAddress(host, 0).ip, portRange: [50_000, 50_003] } as const
    const socket = await connect(openDialer({ family: bind.ip.family, bind }), host, localAddressOf(listener.number).port)
    t.ok((socket.localPort ?? 0) >= 50_000 && (socket.localPort ?? 0) <= 50_003)
    socket.destroy()
  }
})

t.test('a socket told to reset does so when it is closed', async t => {
  const listener = openListener({ address: socketAddress('127.0.0.1', 0) })
  const { port } = localAddressOf(listener.number)
  const server = createServer(socket => {
    resetOnClose(fdOf(socket))
    socket.once('data', () => socket.destroy())
  })
  server.listen({ fd: listener.release() })
  const client = await connect(openDialer({ family: 4 }), '127.0.0.1', port)
  client.write('now')
  const [error] = await once(client.resume(), 'error') as [NodeJS.ErrnoException] // what a socket emits
  t.equal(error.code, 'ECONNRESET')
  server.close()
})

t.test('no descriptor is left open', t => {
  t.same(liveFds(), [])
  t.end()
})
