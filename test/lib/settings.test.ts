import t from 'tap'
import { choiceReader, flagReader, listReader, mapReader, numberReader, parsedReader, readSettings, recordReader, showValue, textReader, unknownKey } from '../../src/lib/settings.ts'
import type { Refuse } from '../../src/lib/settings.ts'

const text = textReader('text', 'some text', value => value !== '')
const rows = {
  'a': { reader: numberReader('number', 1, 9), default: 3, meaning: 'a' },
  'deep.er.b': { reader: text, default: 'x', meaning: 'b' },
  'deep.list': { reader: listReader(flagReader), default: [], meaning: 'list' },
  'free': { reader: recordReader(text, mapReader('inner', { n: { reader: choiceReader(['p', 'q']), meaning: 'n' } }), 'map'), default: {}, meaning: 'free' },
} as const

const refuse: Refuse = (path, value, expected) => { throw new Error(`${path.join('/')} ${value === unknownKey ? 'unknown' : showValue(value)} ${expected}`) }
const read = (value: unknown) => readSettings(rows, value, [], refuse)

t.test('values come by dotted name, defaults where nothing is written', async t => {
  t.same(read({}), { 'a': 3, 'deep.er.b': 'x', 'deep.list': [], 'free': {} })
  t.same(read({ a: 1, deep: { er: { b: 'y' }, list: [true] }, free: { one: { n: 'q' } } }), { 'a': 1, 'deep.er.b': 'y', 'deep.list': [true], 'free': { one: { n: 'q' } } })
})

for (const [value, message] of [
  [{ a: 10 }, 'a 10 a whole number from 1 to 9'],
  [{ a: null }, 'a null a whole number from 1 to 9'],
  [{ a: Number.NaN }, 'a null a whole number from 1 to 9'],
  [{ deep: { er: 5 } }, 'deep/er 5 a map'],
  [{ deep: { er: { c: 1 } } }, 'deep/er/c unknown did you mean b?'],
  [{ deep: { lists: [] } }, 'deep/lists unknown did you mean list?'],
  [{ deep: { list: [true, 0] } }, 'deep/list/1 0 true or false'],
  [{ deep: { list: {} } }, 'deep/list {} a list'],
  [{ free: [] }, 'free [] a map'],
  [{ free: { '': { n: 'p' } } }, 'free/ "" some text'],
  [{ free: { one: {} } }, 'free/one/n missing p or q'],
  [{ free: { one: { n: 'p', m: 1 } } }, 'free/one/m unknown did you mean n?'],
  [{ deep: { er: { b: 'x'.repeat(5000) } } }, /some text$/],
] as const) {
  t.test(`refused: ${showValue(value)}`, async t => { t.throws(() => read(value), { message }) })
}

t.test('what parse makes of a text counts', async t => {
  const reader = parsedReader('even', 'an even number', text => Number(text) % 2 === 0 ? Number(text) : undefined)
  t.equal(reader.read('4', [], refuse), 4)
  t.throws(() => reader.read('3', ['x'], refuse), { message: 'x "3" an even number' })
  t.throws(() => reader.read(4, ['x'], refuse), { message: 'x 4 an even number' })
})
