import { connect, createServer } from 'node:net'
import t from 'tap'
import { socketAddress } from '../../src/model/address.ts'
import { Netns, SocketTable } from '../../src/sys/index.ts'
import type { AddressInfo, Socket } from 'node:net'

for (const host of ['127.0.0.1', '::1']) {
  t.test(`a connection of this namespace is known by both of its ends: ${host}`, async t => {
    const server = createServer(() => {})
    await new Promise<void>(resolve => { server.listen(0, host, resolve) })
    // A TCP server that listens has an address and a port.
    const { port } = server.address() as AddressInfo
    const client = await new Promise<Socket>(resolve => { const socket = connect(port, host, () => { resolve(socket) }) })
    t.teardown(() => { client.destroy(); server.close() })
    const local = socketAddress(host, client.localPort ?? 0)
    const remote = socketAddress(host, port)
    using here = Netns.openOwn()
    using table = new SocketTable(here)
    t.equal(table.has(local, remote), true)
    t.equal(table.has(remote, local), true, 'the other end is here, too')
    t.equal(table.has(socketAddress(host, local.port === 65535 ? 1024 : local.port + 1), remote), false)
    t.equal(table.has(local, socketAddress(host === '::1' ? '::2' : '127.0.0.2', port)), false)
    t.equal(table.has(remote, socketAddress(host, 9)), false, 'the listener at that port is no connection')
    if (process.getuid?.() === 0) {
      using elsewhere = Netns.openNew()
      using other = new SocketTable(elsewhere)
      t.equal(other.has(local, remote), false, 'another namespace does not have it')
    }
  })
}
