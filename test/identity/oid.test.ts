import { strictEqual } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { decodeOid, encodeOid, oids } from '../../src/identity/oid.ts'

const hex = (dotted: string): string => Buffer.from(encodeOid(dotted)).toString('hex')

t.test('the examples of X.690 and of RFC 5480', async t => {
  t.equal(hex('2.999.3'), '883703')
  t.equal(hex('1.2.840.10045.3.1.7'), '2a8648ce3d030107')
  t.equal(hex('2.5.29.17'), '551d11')
})

t.test('every object identifier that we use, the one of 128 bits too, comes back', async t => {
  for (const oid of Object.values(oids)) t.equal(decodeOid(encodeOid(oid)), oid)
  t.equal(encodeOid(oids.workloadAttributes).length, 20)
})

t.test('any arcs come back', async t => {
  const arc = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n })
  t.doesNotThrow(() => fc.assert(fc.property(fc.constantFrom(0n, 1n, 2n), fc.bigInt({ min: 0n, max: 39n }), arc, (first, second, third) => {
    const dotted = [first, second, third].join('.')
    strictEqual(decodeOid(encodeOid(dotted)), dotted)
  })))
})

t.test('another encoding than the shortest is refused', async t => {
  t.throws(() => decodeOid(Uint8Array.of()), { code: 'malformed' }, 'empty')
  t.throws(() => decodeOid(Uint8Array.of(0x55, 0x80, 0x01)), { code: 'malformed' }, 'padded')
  t.throws(() => decodeOid(Uint8Array.of(0x55, 0x81)), { code: 'malformed' }, 'cut short')
  t.throws(() => decodeOid(new Uint8Array(41).fill(1)), { code: 'malformed' }, 'endless')
})
