import t from 'tap'
import { derText, tagOf, tags } from '../../src/identity/der.ts'
import { derTime, readTime } from '../../src/identity/time.ts'

t.test('UTCTime until 2049, GeneralizedTime from 2050', async t => {
  t.equal(derTime(Date.UTC(2049, 11, 31, 23, 59, 59)).value, '491231235959Z')
  t.equal(tagOf(derTime(Date.UTC(2049, 11, 31))), tags.utcTime)
  t.equal(derTime(Date.UTC(2050, 0, 1)).value, '20500101000000Z')
  t.equal(tagOf(derTime(Date.UTC(2050, 0, 1))), tags.generalizedTime)
})

t.test('times come back without their fractions', async t => {
  for (const ms of [Date.UTC(1970, 0, 1), Date.UTC(2026, 10, 23, 1, 2, 3, 456), Date.UTC(2050, 1, 28), Date.UTC(2400, 1, 29)]) {
    t.equal(readTime(derTime(ms)), Math.floor(ms / 1000) * 1000)
  }
})

t.test('two digits of 50 and more are of the last century', async t => {
  t.equal(readTime(derText(tags.utcTime, '500101000000Z')), Date.UTC(1950, 0, 1))
})

t.test('what is not a time of RFC 5280 is refused', async t => {
  for (const text of ['2611230102Z', '261123010203', '261123010203+0100', '260230000000Z', '261301000000Z', '261123240000Z', '261123006000Z', '2611230102030Z', '']) {
    t.throws(() => readTime(derText(tags.utcTime, text)), { code: 'malformed' }, text)
  }
  t.throws(() => readTime(derText(tags.generalizedTime, '20261123010203.5Z')), { code: 'malformed' }, 'fractions')
  t.throws(() => readTime(derText(tags.utf8String, '261123010203Z')), { code: 'malformed' }, 'another type')
})
