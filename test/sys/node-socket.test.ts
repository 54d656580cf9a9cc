/** Sockets of Node end by a reset whenever they are told to. */

import { once } from 'node:events'
import t from 'tap'
import { descriptorOf, resetSocket } from '../../src/sys/index.ts'
import { endingOf, socketPair } from '../fixtures/sockets.ts'

for (const [name, isEnding] of [
  ['that is open', false],
  ['whose FIN is on its way to the kernel', true],
] as const) {
  t.test(`a socket ${name} is reset, and its descriptor closed`, async t => {
    using pair = await socketPair()
    if (isEnding) pair.client.end('bytes')
    const closed = once(pair.client, 'close')
    resetSocket(pair.client)
    await closed
    t.equal(descriptorOf(pair.client), undefined)
    t.equal(await endingOf(pair.server), 'ECONNRESET')
  })
}
