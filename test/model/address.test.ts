import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { formatSocketAddress, ipFrom, isLoopback, parseIp, parseSocketAddress, sameIp, socketAddress } from '../../src/model/address.ts'

t.test('an IPv4 address', async t => {
  t.same(parseIp('10.0.0.1'), { family: 4, text: '10.0.0.1', words: [0x0a000001] })
  t.same(parseIp('255.255.255.255')?.words, [0xffffffff])
})

t.test('a mapped IPv4 address is the IPv4 address, however it is written', async t => {
  for (const text of ['::ffff:10.0.0.1', '::FFFF:a00:1', '0:0:0:0:0:ffff:0a00:0001', '0::ffff:10.0.0.1']) t.same(parseIp(text), parseIp('10.0.0.1'), text)
  t.equal(parseIp('::ffff:0:10.0.0.1')?.family, 6, 'translated (RFC 2765) is not mapped')
  t.equal(parseIp('::10.0.0.1')?.family, 6, 'compatible (deprecated) is not mapped')
  t.equal(parseIp('64:ff9b::10.0.0.1')?.family, 6, 'NAT64 is not mapped')
})

t.test('IPv6 text is canonical (RFC 5952)', async t => {
  for (const [text, canonical] of [['2001:DB8:0:0:0:0:0:1', '2001:db8::1'], ['0:0:0:0:0:0:0:0', '::'], ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], ['FE80::01', 'fe80::1']] as const) {
    t.equal(parseIp(text)?.text, canonical)
  }
})

t.test('words are big-endian and complete', async t => {
  t.same(parseIp('2001:db8::1')?.words, [0x20010db8, 0, 0, 1])
  t.same(parseIp('1:2:3:4:5:6:7:8')?.words, [0x10002, 0x30004, 0x50006, 0x70008])
  t.same(parseIp('::')?.words, [0, 0, 0, 0])
  t.same(parseIp('1::')?.words, [0x10000, 0, 0, 0])
  t.same(parseIp('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')?.words, Array(4).fill(0xffffffff))
})

for (const text of ['', '10.0.0', '10.0.0.256', '010.0.0.1', '10.0.0.1/32', ' 10.0.0.1', '10.0.0.1 ', 'fe80::1%eth0', '[::1]', ':::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '::g', '0x0a000001', 'localhost']) {
  t.test(`no address: ${JSON.stringify(text)}`, async t => {
    t.equal(parseIp(text), undefined)
    t.throws(() => ipFrom(text), TypeError)
  })
}

t.test('any way of writing an IPv6 address gives one value', async t => {
  const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  fc.assert(fc.property(groups, groups => {
    const long = groups.map(group => group.toString(16).padStart(4, '0').toUpperCase()).join(':')
    const ip = ipFrom(long)
    return isIPv6(long) && sameIp(ip, ipFrom(ip.text)) && JSON.stringify(ip) === JSON.stringify(ipFrom(ip.text))
  }))
})

t.test('socket addresses', async t => {
  t.same(parseSocketAddress('10.0.0.1:80'), socketAddress('10.0.0.1', 80))
  t.same(parseSocketAddress('[2001:db8::1]:0'), socketAddress('2001:db8::1', 0))
  for (const text of ['', '80', ':80', '10.0.0.1', '10.0.0.1:', '10.0.0.1:65536', '10.0.0.1:-1', '2001:db8::1:80', '[10.0.0.1]:80', '[::1%lo]:80', '10.0.0.1:80x', '[::ffff:10.0.0.1]:80']) t.equal(parseSocketAddress(text), undefined, text)
})

t.test('what is formatted can be parsed', async t => {
  const ip = fc.oneof(fc.ipV4(), fc.ipV6()).map(text => parseIp(text)).filter(ip => ip !== undefined)
  fc.assert(fc.property(ip, fc.nat(65535), (ip, port) => {
    return JSON.stringify(parseSocketAddress(formatSocketAddress({ ip, port }))) === JSON.stringify({ ip, port })
  }))
})

t.test('loopback', async t => {
  for (const text of ['127.0.0.1', '127.255.255.255', '::1', '::ffff:127.0.0.1']) t.ok(isLoopback(ipFrom(text)), text)
  for (const text of ['126.255.255.255', '128.0.0.0', '::', '::2', '0.0.0.0']) t.notOk(isLoopback(ipFrom(text)), text)
})
