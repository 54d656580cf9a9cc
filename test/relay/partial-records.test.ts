/** Records of TLS come in pieces, as the network cuts them: whatever is there is read, whether or not more comes to wake the reader. */

import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { recordsIn } from '../fixtures/between.ts'
import { eventually } from '../fixtures/eventually.ts'
import { openRoad } from '../fixtures/road.ts'
import { readAll } from '../fixtures/sockets.ts'
import { withTransports } from '../fixtures/transports.ts'
import type { Socket } from 'node:net'
import type { Tamper } from '../fixtures/between.ts'

t.setTimeout(60_000)

/** What the other end of a loopback connection has not read yet (proc_net_tcp(5)). */
function unreadBytes ({ localPort, remotePort }: Socket): number {
  const hex = (port = 0): string => port.toString(16).toUpperCase().padStart(4, '0')
  const row = readFileSync('/proc/net/tcp', 'utf8').split('\n').find(line => line.includes(`:${hex(remotePort)} 0100007F:${hex(localPort)} `))
  return Number.parseInt(/:([0-9A-F]{8}) /.exec(row?.split(' ').find(word => /^[0-9A-F]{8}:[0-9A-F]{8}$/.test(word))?.concat(' ') ?? '')?.[1] ?? '0', 16)
}

for (const lacking of [1, 10, 500]) {
  for (const kind of ['native', 'streams'] as const) {
    t.test(`${kind}: a record without its last ${lacking} bytes, then these together with all that follows`, async t => {
      let [isArmed, held] = [false, Buffer.alloc(0)]
      const tamper: Tamper = async (bytes, from, to) => {
        if (!isArmed || from !== 'client') { to.write(bytes); return }
        held = Buffer.concat([held, bytes])
        const [first, second] = recordsIn(held)
        if (first === undefined || second === undefined) return
        to.write(held.subarray(0, first - lacking))
        await eventually(() => unreadBytes(to) === 0)
        await pause(50) // it has been read; that there is no more has to be noticed, too, of which nobody tells
        to.write(held.subarray(first - lacking))
        isArmed = false
      }
      await withTransports(t, [kind, kind], async (near, far) => {
        await using road = await openRoad(near, far, { near: 'encrypt', far: 'encrypt' }, { tamper })
        using trip = await road.travel()
        isArmed = true
        trip.client.end(Buffer.alloc(1000, 7))
        t.equal((await readAll(trip.server)).length, 1000)
        t.notOk(isArmed, 'the record was cut')
        trip.server.end()
        t.same(await trip.far.ending, { kind: 'completed' })
      })
    })
  }
}
