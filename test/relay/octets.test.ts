import t from 'tap'
import { bytesOf, octetsOf } from '../../src/relay/native/octets.ts'

t.test('every byte comes out as it went in, also from the middle of other memory', async t => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i)
  t.same([...bytesOf(structuredClone(octetsOf(all)))], [...all])
  t.same([...bytesOf(octetsOf(all.subarray(100, 200)))], [...all.subarray(100, 200)])
  t.equal(octetsOf(all).length, 256)
  t.equal(bytesOf(octetsOf(new Uint8Array(0))).length, 0)
})
