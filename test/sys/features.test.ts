import t from 'tap'
import { feature, featureNames, liveFds } from '../../src/sys/index.ts'

t.test('every feature tells what it found, and what to do without it', t => {
  for (const name of featureNames) {
    const found = feature(name)
    t.equal(found.name, name)
    t.ok([found.detail, found.purpose, found.fallback].every(text => text !== '' && !text.includes('\n')), `${name}: ${found.detail}`)
  }
  t.end()
})

t.test('a feature is tried once', t => {
  for (const name of featureNames) t.equal(feature(name), feature(name))
  t.end()
})

t.test('trying leaves nothing open', t => {
  t.same(liveFds(), [])
  t.end()
})
