import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { contentOf, DerFields, encodeDer, parseDer, readSmallInteger, readTrue, tags } from '../../src/identity/der.ts'
import { IdentityError } from '../../src/identity/error.ts'

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex')

t.test('what is read encodes to the same bytes', async t => {
  for (const text of ['0500', '30 06 020101 020102', '030203 08', '0c 03 e282ac', 'a0 03 020102']) t.same(encodeDer(parseDer(hex(text))), hex(text))
})

t.test('what only BER allows is refused', async t => {
  const cases: Readonly<Record<string, string>> = {
    'an indefinite length': '30 80 020101 0000',
    'a length in long form that has a short one': '30 8103 020101',
    'a padded length': '30 820003 020101',
    'a padded integer': '02 02 0001',
    'a padded negative integer': '02 02 ff80',
    'bytes behind the value': '0500 00',
    'a value cut short': '30 05 020101',
    'nothing': '',
    'a length of 2^32': '30 8500 00000001 00',
    'nesting deeper than any certificate': '3080'.repeat(40),
  }
  for (const [name, text] of Object.entries(cases)) t.throws(() => parseDer(hex(text)), { code: 'malformed' }, name)
})

t.test('deep nesting with right lengths is refused without deep recursion', async t => {
  let nested: Uint8Array = hex('0500')
  for (let i = 0; i < 30; i++) nested = Buffer.concat([Uint8Array.of(0x30, nested.length), nested])
  t.throws(() => parseDer(nested), { code: 'malformed' })
})

t.test('fields are taken in order and completely', async t => {
  const fields = new DerFields(parseDer(hex('30 06 020105 0101ff')))
  t.equal(fields.optional(tags.boolean), undefined)
  t.equal(readSmallInteger(fields.next()), 5)
  t.throws(() => { fields.end() }, { code: 'malformed' })
  t.equal(readTrue(fields.next()), true)
  fields.end()
  t.throws(() => fields.next(), { code: 'malformed' })
})

t.test('values out of their range are refused', async t => {
  t.throws(() => readTrue(parseDer(hex('010101'))), { code: 'malformed' }, 'a TRUE that is not ff')
  t.throws(() => readTrue(parseDer(hex('010100'))), { code: 'malformed' }, 'FALSE written out')
  t.throws(() => readSmallInteger(parseDer(hex('0204 80000000'))), { code: 'malformed' })
  t.throws(() => readSmallInteger(parseDer(hex('0205 0100000000'))), { code: 'malformed' })
  t.throws(() => contentOf(parseDer(hex('2403 040100')), tags.octetString), { code: 'malformed' }, 'a string in segments')
})

t.test('any bytes are either DER or refused with a code', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
    try {
      deepStrictEqual(Buffer.from(encodeDer(parseDer(bytes))), Buffer.from(bytes))
    } catch (error) {
      if (!(error instanceof IdentityError && error.code === 'malformed')) throw error
    }
  }), { numRuns: 1000 }))
})
