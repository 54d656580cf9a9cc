import fc from 'fast-check'
import t from 'tap'
import { formatLabels } from '../../src/model/labels.ts'
import { outcomes } from '../../src/model/outcome.ts'
import { formatSpiffeId, isTrustDomain, parseSpiffeId, sameSpiffeId } from '../../src/model/spiffe-id.ts'
import { formatRuleName } from '../../src/model/verdict.ts'

const id = { trustDomain: 'east.example', namespace: 'shop', serviceAccount: 'web' }

t.test('a SPIFFE ID there and back', async t => {
  t.equal(formatSpiffeId(id), 'spiffe://east.example/ns/shop/sa/web')
  t.same(parseSpiffeId('spiffe://east.example/ns/shop/sa/web'), id)
  t.ok(sameSpiffeId(id, { ...id }))
  t.notOk(sameSpiffeId(id, { ...id, namespace: 'bank' }))
})

for (const uri of [
  '', 'spiffe://', 'SPIFFE://east.example/ns/shop/sa/web', 'https://east.example/ns/shop/sa/web', 'spiffe:///ns/shop/sa/web',
  'spiffe://East.example/ns/shop/sa/web', 'spiffe://east.example:80/ns/shop/sa/web', 'spiffe://u@east.example/ns/shop/sa/web',
  'spiffe://east.example/ns/shop/sa/web/', 'spiffe://east.example//ns/shop/sa/web', 'spiffe://east.example/ns//sa/web', 'spiffe://east.example/ns/shop/sa/',
  'spiffe://east.example/ns/../sa/web', 'spiffe://east.example/ns/./sa/web', 'spiffe://east.example/ns/sh%6fp/sa/web', 'spiffe://east.example/ns/shop/sa/web?x=1',
  'spiffe://east.example/ns/shop/sa/web#x', 'spiffe://east.example/ns/shop', 'spiffe://east.example/sa/web/ns/shop', 'spiffe://east.example/ns/shop/sa/web/extra',
  ' spiffe://east.example/ns/shop/sa/web', 'spiffe://east.example/ns/shöp/sa/web', `spiffe://${'a'.repeat(256)}/ns/shop/sa/web`, `spiffe://east.example/ns/${'a'.repeat(2048)}/sa/web`,
  'spiffe://east.example/ns/shop/sa/web\n',
]) {
  t.test(`no ID of ours: ${JSON.stringify(uri).slice(0, 60)}`, async t => { t.equal(parseSpiffeId(uri), undefined) })
}

t.test('whatever is formatted from good parts is parsed to the same', async t => {
  const segment = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,40}$/)
  fc.assert(fc.property(fc.stringMatching(/^[a-z0-9._-]{1,255}$/), segment, segment, (trustDomain, namespace, serviceAccount) => {
    const id = { trustDomain, namespace, serviceAccount }
    return JSON.stringify(parseSpiffeId(formatSpiffeId(id))) === JSON.stringify(id)
  }))
})

t.test('trust domains', async t => {
  for (const text of ['a', 'east.example', 'a_b-c.9', 'a'.repeat(255)]) t.ok(isTrustDomain(text))
  for (const text of ['', 'East', 'a/b', 'a:1', 'a b', 'é', 'a'.repeat(256), 'a\n']) t.notOk(isTrustDomain(text))
})

t.test('labels and rules as people read them', async t => {
  t.equal(formatLabels({ b: '2', a: '' }), 'a=,b=2')
  t.equal(formatLabels({}), '')
  t.equal(formatRuleName({ kind: 'NetworkPolicy', namespace: 'shop', name: 'web', rule: 'ingress[0]' }), 'NetworkPolicy shop/web ingress[0]')
  t.equal(formatRuleName({ kind: 'default', namespace: '', name: '', rule: '' }), 'default')
  t.equal(formatRuleName({ kind: 'AdminNetworkPolicy', namespace: '', name: 'base', rule: '' }), 'AdminNetworkPolicy base')
})

t.test('every outcome has its own text, lower case, without a final period', async t => {
  const texts = Object.values(outcomes).map(({ text }) => text)
  t.equal(new Set(texts).size, texts.length)
  for (const text of texts) t.match(text, /^[a-z].*[^.]$/)
})
