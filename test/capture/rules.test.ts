import t from 'tap'
import { socketAddress } from '../../src/model/address.ts'
import { noExclusions } from '../../src/capture/index.ts'
import { claim, describeRules } from '../../src/capture/rules.ts'
import { cidrOf } from './world.ts'

const inbound = [socketAddress('127.0.0.1', 40001), socketAddress('::1', 40002)]
const outbound = [socketAddress('127.0.0.1', 40003), socketAddress('::1', 40004)]
const self = { id: '00000agent001', inbound, outbound }
const note = 'liburna/2 0,0,0,2 00000agent001=40001,40002,40003,40004'

t.test('the rules of a workload without exclusions', t => {
  t.equal(describeRules({ holders: [self], exclude: noExclusions, note }), `table inet liburna {
  comment "liburna/2 0,0,0,2 00000agent001=40001,40002,40003,40004"
  chain held_by_00000agent001 {
  }
  chain output {
    type route hook output priority mangle; policy accept;
    meta l4proto != tcp accept
    ip daddr 127.0.0.1 tcp dport 40001 reject with tcp reset
    ip6 daddr ::1 tcp dport 40002 reject with tcp reset
    ip daddr 127.0.0.1 tcp dport 40003 reject with tcp reset
    ip6 daddr ::1 tcp dport 40004 reject with tcp reset
    meta mark & 0x0f000000 != 0 accept
    oif "lo" accept
    meta mark set meta mark & 0xf0ffffff | 0x03000000
  }
  chain prerouting {
    type filter hook prerouting priority mangle; policy accept;
    iif "lo" meta l4proto tcp goto from_inside
    iif != "lo" meta l4proto tcp goto from_wire
  }
  chain from_inside {
    meta mark & 0x0f000000 == 0x02000000 meta mark set meta mark & 0xf0ffffff | 0x03000000 accept
    meta mark & 0x0f000000 != 0x03000000 accept
    tcp flags & (syn | ack) == syn meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:40003 socket mark & 0x0f000000 == 0x02000000 accept
    tcp flags & (syn | ack) == syn meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:40004 socket mark & 0x0f000000 == 0x02000000 accept
    tcp flags & (syn | ack) == syn drop
    meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:40003 accept
    meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:40004 accept
  }
  chain from_wire {
    meta mark & 0x0f000000 != 0 meta mark set meta mark & 0xf0ffffff
    tcp flags & (syn | ack) == syn meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:40001 socket mark & 0x0f000000 == 0x01000000 accept
    tcp flags & (syn | ack) == syn meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:40002 socket mark & 0x0f000000 == 0x01000000 accept
    tcp flags & (syn | ack) == syn drop
    meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:40001 accept
    meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:40002 accept
    meta mark set meta mark & 0xf0ffffff | 0x04000000 reject with tcp reset
  }
  chain guard {
    type filter hook postrouting priority mangle; policy accept;
    oif != "lo" meta mark & 0x0f000000 == 0x03000000 drop
    oif != "lo" meta mark & 0x0f000000 == 0x02000000 drop
  }
}
`)
  t.end()
})

t.test('exclusions stand before everything is taken, ports by direction, blocks in both', t => {
  const text = describeRules({
    holders: [self], note,
    exclude: { inboundPorts: [{ from: 22, to: 22 }], outboundPorts: [{ from: 5432, to: 5433 }], cidrs: [cidrOf('10.0.0.0/8'), cidrOf('fd00::/8')] },
  })
  const chain = (name: string): string[] =>
    (new RegExp(`chain ${name} {\n([^]*?)\n  }`).exec(text)?.[1] ?? '').split('\n').map(line => line.trim())
  t.same(chain('output').slice(-4), [
    'tcp dport { 5432-5433 } accept', 'ip daddr { 10.0.0.0/8 } accept', 'ip6 daddr { fd00:0:0:0:0:0:0:0/8 } accept',
    'meta mark set meta mark & 0xf0ffffff | 0x03000000',
  ])
  const exempt = 'meta mark set meta mark & 0xf0ffffff | 0x04000000 accept'
  t.same(chain('from_wire').slice(1, 5), [
    `tcp dport { 22 } ${exempt}`, `ip saddr { 10.0.0.0/8 } ${exempt}`, `ip6 saddr { fd00:0:0:0:0:0:0:0/8 } ${exempt}`,
    `tcp flags & (syn | ack) != syn tcp sport { 5432-5433 } ${exempt}`,
  ])
  t.end()
})

t.test('a family without a listener is held', t => {
  const text = describeRules({ holders: [{ ...self, inbound: inbound.slice(0, 1), outbound: outbound.slice(0, 1) }], exclude: noExclusions, note })
  t.notMatch(text, /ip6|ipv6/)
  t.equal(text.match(/== syn drop/g)?.length, 2)
  t.end()
})

t.test('nothing but numbers and a plain note gets into the text', t => {
  const rules = (change: object) => () => describeRules({ holders: [self], exclude: noExclusions, note, ...change })
  t.throws(rules({ note: 'x" ; flush ruleset' }))
  t.throws(rules({ note: 'two\nlines' }))
  t.throws(rules({ holders: [{ ...self, inbound: [{ ip: socketAddress('127.0.0.1', 1).ip, port: NaN }] }] }))
  t.throws(rules({ holders: [{ ...self, inbound: [{ ip: { ...socketAddress('127.0.0.1', 1).ip, text: '127.0.0.1 accept' }, port: 1 }] }] }))
  t.throws(rules({ holders: [{ ...self, id: 'x { }' }] }))
  t.end()
})

t.test('a SYN goes to the agent that started last, and where it is dead to the one before', t => {
  const before = { id: '00000agent000', inbound: [socketAddress('127.0.0.1', 30001)], outbound: [socketAddress('127.0.0.1', 30003)] }
  const text = describeRules({ holders: [self, before], exclude: noExclusions, note })
  for (const ports of [[40001, 30001], [40003, 30003]]) {
    const syns = text.split('\n').filter(line => line.includes('== syn meta nfproto ipv4')).flatMap(line => /127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? []).map(Number)
    t.same(syns.filter(port => ports.includes(port)), ports)
  }
  for (const port of [30001, 30003]) t.match(text, `ip daddr 127.0.0.1 tcp dport ${port} reject`)
  t.match(text, /chain held_by_00000agent001/)
  t.notMatch(text, /held_by_00000agent000/)
  t.end()
})

t.test('a transaction claims exactly what was found', t => {
  t.equal(claim({ table: false, holders: [] }), 'create table inet liburna\ndelete table inet liburna\n')
  t.equal(claim({ table: true, holders: [] }), '\ndelete table inet liburna\n')
  t.equal(claim({ table: true, holders: [self] }), '\ndelete chain inet liburna held_by_00000agent001\ndelete table inet liburna\n')
  t.end()
})
