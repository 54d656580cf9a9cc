/**
 * What a handshake alone costs: `node bench/handshake/main.ts`.
 *
 * Both ends in one thread, over a socket pair, with what a relay thread does for a handshake and nothing else: no
 * accept, no judgement, no frames. Whatever an agent does for a new connection comes on top of its half of it, so this is
 * the least that new connections can cost with the OpenSSL inside Node. CPU of this thread, medians over the rounds.
 */

import { TlsConnection, TlsContext, WriteBuffers, tlsResult } from '../../src/sys/index.ts'
import { localPair } from '../../test/fixtures/local-pair.ts'
import { pairContext } from '../../test/fixtures/tls-pair.ts'
import { median, spread } from '../statistics.ts'
import type { PresharedKeys } from '../../src/sys/index.ts'

const [rounds, perRound] = [9, 500]

interface Kind {
  readonly name: string
  readonly groups: string
  readonly keys: { readonly client: PresharedKeys, readonly server: PresharedKeys }
}

const key = { identity: Buffer.alloc(16, 1), secret: Buffer.alloc(48, 2) }
const [noKeys, aKey] = [{ client: {}, server: {} }, { client: { offers: key }, server: { find: () => key.secret } }]
const kinds: readonly Kind[] = ['X25519MLKEM768', 'X25519'].flatMap(groups => [
  { name: `${groups}, certificates`, groups, keys: noKeys },
  { name: `${groups}, resumed`, groups, keys: aKey },
])

using buffers = new WriteBuffers()
const measured = kinds.map(kind => ({ kind, context: new TlsContext({ ...pairContext, groups: kind.groups }), us: [] as number[] }))
for (let round = 0; round <= rounds; round++) {
  for (const { kind, context, us } of measured) {
    const from = process.threadCpuUsage()
    for (let i = 0; i < perRound; i++) shake(context, kind)
    const { user, system } = process.threadCpuUsage(from)
    if (round > 0) us.push((user + system) / perRound) // before it nothing was compiled
  }
}
console.log('| a handshake, both ends | CPU, us |\n|---|---:|')
for (const { kind, us } of measured) console.log(`| ${kind.name} | ${median(us).toFixed(0)} ±${(100 * spread(us)).toFixed(0)}% |`)
for (const { context } of measured) context.close()

function shake (context: TlsContext, { name, keys }: Kind): void {
  const [first, second] = localPair()
  using one = first
  using other = second
  using client = new TlsConnection(context, one.number, 'client', buffers, keys.client)
  using server = new TlsConnection(context, other.number, 'server', buffers, keys.server)
  client.handshake()
  server.answer()
  const ends = [client.handshake(), server.handshake()]
  if (ends.some(result => result !== tlsResult.done) || client.hasUsedKey !== (keys === aKey)) throw new Error(`${name}: not the handshake that was asked for`)
}
