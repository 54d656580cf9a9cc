import fc from 'fast-check'
import t from 'tap'
import { ipFrom } from '../../src/model/address.ts'
import { cidrContains, cidrCovers, parseCidr } from '../../src/model/cidr.ts'
import type { Cidr } from '../../src/model/cidr.ts'

function cidr (text: string): Cidr {
  const parsed = parseCidr(text)
  if (parsed === undefined) throw new Error(`no CIDR: ${text}`)
  return parsed
}

for (const [block, inside, outside] of [
  ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3'], ['9.255.255.255', '11.0.0.0', '::a00:1']],
  ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['::', '::1']],
  ['::/0', ['::', '2001:db8::1'], ['0.0.0.0', '::ffff:10.0.0.1']],
  ['192.0.2.1/32', ['192.0.2.1'], ['192.0.2.0', '192.0.2.2']],
  ['192.0.2.128/25', ['192.0.2.128', '192.0.2.255'], ['192.0.2.127']],
  ['10.1.2.3/8', ['10.9.9.9'], ['11.1.2.3']],
  ['128.0.0.0/1', ['128.0.0.0', '255.0.0.1'], ['127.255.255.255']],
  ['2001:db8::/33', ['2001:db8:7fff::1'], ['2001:db8:8000::']],
  ['2001:db8::/32', ['2001:db8:ffff:ffff::'], ['2001:db9::']],
  ['2001:db8::1/128', ['2001:db8::1'], ['2001:db8::2', '2001:db8:0:0:1::1']],
  ['2001:db8:0:0:8000::/65', ['2001:db8::8000:0:0:1'], ['2001:db8::7fff:0:0:1']],
] as const) {
  t.test(`${block} holds what it should`, async t => {
    for (const ip of inside) t.ok(cidrContains(cidr(block), ipFrom(ip)), ip)
    for (const ip of outside) t.notOk(cidrContains(cidr(block), ipFrom(ip)), `not ${ip}`)
  })
}

for (const text of ['', '10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/8 ', '10.0.0/8', '::/129', '::ffff:10.0.0.0/104', '::ffff:10.0.0.0/8', '10.0.0.0/8/8', '10.0.0.0/1e1']) {
  t.test(`no CIDR: ${JSON.stringify(text)}`, async t => { t.equal(parseCidr(text), undefined) })
}

t.test('covering', async t => {
  t.ok(cidrCovers(cidr('10.0.0.0/8'), cidr('10.1.0.0/16')))
  t.ok(cidrCovers(cidr('10.0.0.0/8'), cidr('10.0.0.0/8')))
  t.notOk(cidrCovers(cidr('10.1.0.0/16'), cidr('10.0.0.0/8')))
  t.notOk(cidrCovers(cidr('10.0.0.0/8'), cidr('11.0.0.0/16')))
  t.notOk(cidrCovers(cidr('::/0'), cidr('10.0.0.0/8')), 'never across families')
})

t.test('masking agrees with arithmetic', async t => {
  fc.assert(fc.property(fc.ipV4(), fc.ipV4(), fc.nat(32), (base, ip, prefix) => {
    const number = (text: string): bigint => BigInt(ipFrom(text).words[0] ?? 0)
    const shift = BigInt(32 - prefix)
    return cidrContains(cidr(`${base}/${prefix}`), ipFrom(ip)) === (number(base) >> shift === number(ip) >> shift)
  }))
})
