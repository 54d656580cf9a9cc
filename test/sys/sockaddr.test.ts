import t from 'tap'
import fc from 'fast-check'
import { socketAddress } from '../../src/model/address.ts'
import { decodeSockaddr, encodeSockaddr } from '../../src/sys/sockaddr.ts'

t.test('the bytes are those of the C structures', t => {
  t.same([...encodeSockaddr(socketAddress('192.0.2.1', 8080))], [2, 0, 0x1f, 0x90, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0])
  t.same([...encodeSockaddr(socketAddress('2001:db8::1', 80))],
    [10, 0, 0, 80, 0, 0, 0, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
  t.end()
})

t.test('what is encoded comes back', t => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(65535), (ip, port) => {
    const address = socketAddress(ip, port)
    const back = decodeSockaddr(encodeSockaddr(address))
    return back?.ip.text === address.ip.text && back.port === port
  }))
  t.end()
})

t.test('a mapped address is the IPv4 address', t => {
  const bytes = encodeSockaddr(socketAddress('::1', 80))
  bytes.set([0xff, 0xff, 192, 0, 2, 7], 18)
  t.equal(decodeSockaddr(bytes)?.ip.text, '192.0.2.7')
  t.end()
})

t.test('other families and short bytes are nothing', t => {
  t.equal(decodeSockaddr(Uint8Array.from([1, 0, ...Array<number>(26).fill(0)])), undefined)
  t.equal(decodeSockaddr(Uint8Array.from([10, 0, ...Array<number>(14).fill(0)])), undefined)
  t.equal(decodeSockaddr(new Uint8Array(1)), undefined)
  t.end()
})
