import { PassThrough } from 'node:stream'
import t from 'tap'
import { readShared } from '../../src/lib/shared-reads.ts'
import { eventually } from '../fixtures/eventually.ts'
import { socketPair } from '../fixtures/sockets.ts'
import type { Socket } from 'node:net'

/** What comes by the callback. */
function collect (socket: Socket): Buffer[] {
  const chunks: Buffer[] = []
  t.equal(readShared(socket, bytes => { chunks.push(Buffer.from(bytes)) }), true)
  socket.on('data', () => { t.fail('came as data') })
  return chunks
}

t.test('this Node lets a socket read into a buffer of ours', async t => {
  using pair = await socketPair()
  const chunks = collect(pair.server)
  let ended = false
  pair.server.on('end', () => { ended = true })
  pair.server.resume()
  pair.client.write('first ')
  await eventually(() => Buffer.concat(chunks).toString() === 'first ')
  pair.client.end('second')
  await eventually(() => ended)
  t.equal(Buffer.concat(chunks).toString(), 'first second')
  t.equal(pair.server.writable, true, 'the other direction is open')
})

t.test('a paused socket reads nothing until it is resumed', async t => {
  using pair = await socketPair()
  const chunks = collect(pair.server)
  pair.server.resume()
  pair.client.write('x')
  await eventually(() => chunks.length === 1)
  pair.server.pause()
  const sent = new Promise(resolve => { pair.client.write('y', resolve) })
  await sent
  await new Promise(resolve => setImmediate(resolve))
  t.equal(chunks.length, 1)
  pair.server.resume()
  await eventually(() => chunks.length === 2)
})

t.test('two sockets that read in turn do not mix their bytes', async t => {
  using one = await socketPair()
  using two = await socketPair()
  const got = [one, two].map(pair => {
    const chunks = collect(pair.server)
    pair.server.resume()
    return chunks
  })
  for (let i = 0; i < 50; i++) {
    one.client.write(Buffer.alloc(100_000, 'a'))
    two.client.write(Buffer.alloc(100_000, 'b'))
  }
  await eventually(() => got.every(chunks => Buffer.concat(chunks).length === 5_000_000))
  t.same(got.map(chunks => [...new Set(Buffer.concat(chunks))]), [[0x61], [0x62]])
})

t.test('what is no socket is left alone', t => {
  t.equal(readShared(new PassThrough(), () => {}), false)
  t.end()
})
