import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import t from 'tap'
import { socketAddress } from '../../src/model/address.ts'
import { openOwnNode } from '../../src/node/index.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { AddressInfo, Socket } from 'node:net'

const server = createServer(() => {})
await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
// A TCP server that listens has an address and a port.
const { port } = server.address() as AddressInfo
const socket = await new Promise<Socket>(resolve => { const opened = connect(port, '127.0.0.1', () => { resolve(opened) }) })
t.teardown(() => { socket.destroy(); server.close() })
const to = socketAddress('127.0.0.1', port)
const process = socketAddress('127.0.0.1', socket.localPort ?? 0)
const translated = socketAddress('127.0.0.1', process.port === 1 ? 2 : 1)
const stranger = socketAddress('203.0.113.9', 4711)

t.test('a process of the node is the node; who only wears its address is not', async t => {
  using node = openOwnNode('process', memoryLog())
  t.equal(node.isFromNode(process, to), true)
  t.equal(node.isFromNode(translated, to), false)
  t.equal(node.isFromNode(stranger, to), false)
})

t.test('where the address is believed, every address of the node is the node', async t => {
  using node = openOwnNode('address', memoryLog())
  t.equal(node.isFromNode(translated, to), true)
  t.equal(node.isFromNode(stranger, to), false)
  for (const { address } of Object.values(networkInterfaces()).flat().filter(each => each !== undefined)) t.equal(node.isFromNode(socketAddress(address.split('%')[0] ?? '', 1), to), true)
})

t.test('the node may be nobody', async t => {
  using node = openOwnNode('never', memoryLog())
  t.equal(node.isFromNode(process, to), false)
})
