import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { decodeAttributes, encodeAttributes, IdentityError, maxAttributesBytes } from '../../src/identity/index.ts'
import { identityOf } from '../fixtures/authority.ts'
import type { WorkloadAttributes } from '../../src/model/workload.ts'

const { attributes } = identityOf()
const small: WorkloadAttributes = {
  cluster: 'c', namespace: 'n', name: 'p', uid: 'u', owner: undefined,
  labels: { b: '2', a: '1' }, namespaceLabels: {}, ports: [{ name: 'x', port: 258, protocol: 'UDP' }], images: ['i'],
}
/** Written by hand from the drawing in attributes.ts. */
const smallHex = '01 0001 63 0001 6e 0001 70 0001 75 00' +
  ' 0002 0001 61 0001 31 0001 62 0001 32' +
  ' 0000' +
  ' 0001 0001 78 0102 01' +
  ' 0001 0001 69'

const bytesOf = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const decodeHex = (hex: string): WorkloadAttributes => decodeAttributes(bytesOf(hex))

t.test('the bytes are those of the drawing', async t => {
  t.equal(Buffer.from(encodeAttributes(small)).toString('hex'), smallHex.replaceAll(' ', ''))
  t.same(decodeHex(smallHex), small)
})

t.test('order and repetition of what is signed make no difference', async t => {
  const other = { ...small, labels: { a: '1', b: '2' }, ports: [...small.ports, ...small.ports], images: ['i', 'i'] }
  t.same(encodeAttributes(other), encodeAttributes(small))
})

t.test('keys are in the order of their UTF-8 bytes', async t => {
  // U+FF5E sorts before U+1F600 in UTF-8, and behind its surrogate pair in UTF-16.
  const labels = { '\u{1f600}': 'a', '\uff5e': 'b' }
  t.same(Object.keys(decodeAttributes(encodeAttributes({ ...small, labels })).labels), ['\uff5e', '\u{1f600}'])
})

t.test('an owner is kept', async t => {
  t.same(decodeAttributes(encodeAttributes(attributes)).owner, { kind: 'Deployment', name: 'web' })
})

t.test('what was decoded cannot be changed, and has no labels that nobody gave', async t => {
  const { labels, ports } = decodeAttributes(encodeAttributes({ ...small, labels: JSON.parse('{"__proto__":"x"}') }))
  t.same(Object.entries(labels), [['__proto__', 'x']])
  t.equal(labels['constructor'], undefined)
  t.ok(Object.isFrozen(labels) && Object.isFrozen(ports) && Object.isFrozen(ports[0]))
})

t.test('refused when read', async t => {
  const cases: Readonly<Record<string, string>> = {
    'nothing': '',
    'an unknown version': smallHex.replace('01', '02'),
    'a byte behind the end': `${smallHex} 00`,
    'a text that is cut short': '01 0005 63',
    'a text longer than its field may be': `01 0100 ${'61'.repeat(256)}`,
    'bytes that are not UTF-8': smallHex.replace('0001 63', '0001 ff'),
    'an overlong encoding': smallHex.replace('0001 63', '0002 c1a1'),
    'half a surrogate pair': smallHex.replace('0001 63', '0003 eda080'),
    'a control character': smallHex.replace('0001 63', '0001 0a'),
    'a NUL': smallHex.replace('0001 63', '0001 00'),
    'an owner flag of 2': smallHex.replace('75 00', '75 02'),
    'a label twice': smallHex.replace('0001 62 0001 32', '0001 61 0001 32'),
    'labels out of order': smallHex.replace('0001 61 0001 31', '0001 63 0001 31'),
    'more labels than are there': smallHex.replace('0002 0001 61', '0003 0001 61'),
    'more labels than anybody has': smallHex.replace('0002 0001 61', 'ffff 0001 61'),
    'port 0': smallHex.replace('0102 01', '0000 01'),
    'an unknown protocol': smallHex.replace('0102 01', '0102 03'),
    'a port twice': smallHex.replace('0001 0001 78 0102 01', '0002 0001 78 0102 01 0001 78 0102 01'),
    'an image twice': smallHex.replace('0001 0001 69', '0002 0001 69 0001 69'),
  }
  for (const [name, hex] of Object.entries(cases)) t.throws(() => decodeHex(hex), { name: 'IdentityError', code: 'bad-attributes' }, name)
})

t.test('refused when written', async t => {
  const many = Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`k${i}`, '']))
  const cases: Readonly<Record<string, Partial<WorkloadAttributes>>> = {
    'a name that is too long': { name: 'x'.repeat(254) },
    'half a surrogate pair': { labels: { a: '\ud800' } },
    'a line break in a label': { labels: { a: 'x\ny' } },
    'a label key that is too long': { labels: { ['x'.repeat(318)]: '' } },
    'too many labels': { labels: many },
    'port 0': { ports: [{ name: 'x', port: 0, protocol: 'TCP' }] },
    'a port that is no whole number': { ports: [{ name: 'x', port: 80.5, protocol: 'TCP' }] },
    'port 65536': { ports: [{ name: 'x', port: 65536, protocol: 'TCP' }] },
  }
  for (const [name, change] of Object.entries(cases)) t.throws(() => encodeAttributes({ ...small, ...change }), { code: 'bad-request' }, name)
})

t.test('the size is bounded, by setting', async t => {
  const { length } = encodeAttributes(small)
  t.equal(encodeAttributes(small, length).length, length)
  t.throws(() => encodeAttributes(small, length - 1), { code: 'attributes-too-large' })
  t.throws(() => decodeAttributes(encodeAttributes(small), length - 1), { code: 'attributes-too-large' })
  t.throws(() => decodeAttributes(new Uint8Array(maxAttributesBytes + 1)), { code: 'attributes-too-large' })
})

const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: 'grapheme', maxLength }).filter(value => !/[\u0000-\u001f\u007f-\u009f]/.test(value))
const labels = fc.dictionary(text(20), text(20), { maxKeys: 6 })
const anyAttributes: fc.Arbitrary<WorkloadAttributes> = fc.record({
  cluster: text(20), namespace: text(20), name: text(20), uid: text(10),
  owner: fc.option(fc.record({ kind: text(5), name: text(20) }, { noNullPrototype: true }), { nil: undefined }),
  labels, namespaceLabels: labels,
  ports: fc.uniqueArray(fc.record({ name: text(5), port: fc.integer({ min: 1, max: 65535 }), protocol: fc.constantFrom('TCP', 'UDP', 'SCTP') }, { noNullPrototype: true }), { maxLength: 4, selector: port => JSON.stringify(port) }),
  images: fc.uniqueArray(text(20), { maxLength: 4 }),
})

t.test('whatever can be signed comes back, ordered', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(anyAttributes, given => {
    const read = decodeAttributes(encodeAttributes(given))
    const sorted = (values: readonly unknown[]): string[] => values.map(value => JSON.stringify(value)).sort()
    deepStrictEqual({ ...read, labels: { ...read.labels }, namespaceLabels: { ...read.namespaceLabels }, ports: sorted(read.ports), images: sorted(read.images) },
      { ...given, labels: { ...given.labels }, namespaceLabels: { ...given.namespaceLabels }, ports: sorted(given.ports), images: sorted(given.images) })
  }), { numRuns: 200 }))
})

t.test('bytes that decode are the one encoding of what they say; all others are refused with a code', async t => {
  const good = [...encodeAttributes(attributes)]
  const mutated = fc.tuple(fc.nat(good.length - 1), fc.nat(255), fc.nat(3)).map(([at, byte, removed]) => Uint8Array.from(good.toSpliced(at, removed, byte)))
  t.doesNotThrow(() => fc.assert(fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 60 })), bytes => {
    try {
      deepStrictEqual(Buffer.from(encodeAttributes(decodeAttributes(bytes))), Buffer.from(bytes))
    } catch (error) {
      if (!(error instanceof IdentityError && error.code === 'bad-attributes')) throw error
    }
  }), { numRuns: 1000 }))
})
