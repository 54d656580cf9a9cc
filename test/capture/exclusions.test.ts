import t from 'tap'
import fc from 'fast-check'
import { cidrContains, parseCidr } from '../../src/model/cidr.ts'
import { ipFrom } from '../../src/model/address.ts'
import { formatBlocks, formatPorts, portsContain } from '../../src/capture/exclusions.ts'
import { cidrOf } from './world.ts'

t.test('ports are sorted and merged where they touch', t => {
  t.equal(formatPorts([]), undefined)
  t.equal(formatPorts([{ from: 443, to: 443 }]), '{ 443 }')
  t.equal(formatPorts([{ from: 90, to: 95 }, { from: 22, to: 22 }, { from: 80, to: 89 }, { from: 82, to: 84 }]), '{ 22, 80-95 }')
  t.equal(formatPorts([{ from: 1, to: 65535 }]), '{ 1-65535 }')
  t.end()
})

t.test('what is no port is refused', t => {
  for (const [from, to] of [[0, 1], [1, 65536], [2, 1], [1.5, 2], [NaN, 1], [-1, 5]] as const) {
    t.throws(() => formatPorts([{ from, to }]), { code: 'bad-exclusion' })
  }
  t.throws(() => formatPorts([{ from: '1 accept' as unknown as number, to: 2 }]), { code: 'bad-exclusion' }, 'also against the types')
  t.end()
})

t.test('blocks are written from their numbers, by family, without those inside another', t => {
  const blocks = ['10.1.2.3/8', '10.9.0.0/16', '192.168.0.0/24', '10.0.0.0/8', 'fd00::/8', 'fd00:1::/32'].map(cidrOf)
  t.equal(formatBlocks(blocks, 4), '{ 10.0.0.0/8, 192.168.0.0/24 }')
  t.equal(formatBlocks(blocks, 6), '{ fd00:0:0:0:0:0:0:0/8 }')
  t.equal(formatBlocks([], 4), undefined)
  t.equal(formatBlocks([{ ...cidrOf('10.0.0.0/8'), text: '0.0.0.0/0 accept; flush ruleset' }], 4), '{ 10.0.0.0/8 }')
  t.throws(() => formatBlocks([{ ...cidrOf('10.0.0.0/8'), prefix: 8.5 }], 4), { code: 'bad-exclusion' })
  t.end()
})

t.test('the written blocks hold exactly the addresses that the given ones hold', t => {
  const ip = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(255)).map(octets => octets.join('.'))
  const cidr = fc.tuple(ip, fc.nat(32)).map(([base, prefix]) => cidrOf(`${base}/${prefix}`))
  fc.assert(fc.property(fc.array(cidr, { maxLength: 6 }), ip, (given, address) => {
    const written = (formatBlocks(given, 4) ?? '').split(/[{}, ]+/).flatMap(text => parseCidr(text) ?? [])
    const holds = (blocks: typeof given): boolean => blocks.some(block => cidrContains(block, ipFrom(address)))
    return holds(given) === holds(written)
  }))
  t.end()
})

t.test('a port lies in a range or not', t => {
  t.ok(portsContain([{ from: 5, to: 7 }], 5))
  t.ok(portsContain([{ from: 5, to: 7 }], 7))
  t.notOk(portsContain([{ from: 5, to: 7 }], 8))
  t.notOk(portsContain([], 8))
  t.end()
})
