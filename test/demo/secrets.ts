/** What an attacker on the path between the nodes can read. */

import { secretText } from './world.ts'
import type { LabPod } from '../fixtures/lab/index.ts'
import type { Row } from './table.ts'
import type { Progress, World } from './world.ts'

export async function secretRows ({ shop, plainByNode }: World, progress: Progress): Promise<Row[]> {
  progress('listening between the nodes')
  const { front, rogue, webByBalancer } = shop
  const protectedPackets = await packetsOf(shop.lab, front, webByBalancer)
  const plainPackets = await packetsOf(shop.lab, rogue, plainByNode)
  const what = 'reads the packets in the gateway'
  return [
    { who: 'an eavesdropper', what, whom: 'west/front to east/web', expected: 'sees nothing', observed: seen(protectedPackets), why: `${protectedPackets.length} bytes captured: TLS 1.3` },
    { who: 'an eavesdropper', what, whom: 'west/rogue to east/plain, no agents', expected: 'sees the text', observed: seen(plainPackets), why: `${plainPackets.length} bytes captured: the capture works` },
  ]
}

async function packetsOf (lab: World['shop']['lab'], from: LabPod, address: string): Promise<Buffer> {
  const capture = await lab.capture()
  const connection = await from.connect(address)
  await connection.write('GET / HTTP/1.0\r\n\r\n')
  const answer = await connection.readUntil(secretText)
  await connection.finish()
  if (!answer.includes(secretText)) throw new Error(`the call to ${address} was meant to work`)
  return await capture.stop()
}

function seen (packets: Buffer): string {
  return packets.includes(secretText) ? 'sees the text' : 'sees nothing'
}
