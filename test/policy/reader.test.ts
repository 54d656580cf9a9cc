import t from 'tap'
import { Place } from '../../src/policy/reader.ts'
import { parseFlow, parseManifests, parseSelector, PolicyError } from '../../src/policy/index.ts'

t.test('null counts as absent, also in a list of required things', async t => {
  const place = new Place({ a: null })
  t.equal(place.at('a').present, false)
  t.same(place.keys(), [])
  t.match(parseManifests([{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'a' }, spec: { podSelector: {}, ingress: [null] } }]).invalid, [{ path: 'spec.ingress[0]', reason: 'required' }])
})

t.test('a value that cannot be shown as JSON is named by its type', async t => {
  const loop: Record<string, unknown> = {}
  loop['spec'] = loop
  const { invalid } = parseManifests([{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'a' }, spec: { podSelector: loop } }, { kind: 'NetworkPolicy', metadata: 10n }])
  t.ok(invalid.some(({ value }) => value.length > 0))
})

t.test('problems are bounded in number and size', async t => {
  const { invalid } = parseManifests([{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'a' }, spec: { podSelector: {}, ingress: Array.from({ length: 1000 }, () => 'x'.repeat(10_000)) } }])
  t.equal(invalid.length, 50)
  t.ok(invalid.every(({ value }) => value.length <= 80))
})

t.test('a flow that cannot be read says where', async t => {
  const home = { trustDomain: 'east.example', cluster: 'east' }
  t.throws(() => parseFlow({ source: { namespace: 'a' }, destination: { external: '10.0.0' }, port: 80 }, home), { code: 'endpoint-invalid', path: 'destination.external', message: 'destination.external: an IP address is expected, not "10.0.0"' })
  t.throws(() => parseFlow({ source: { namespace: 'a', color: 'red' }, destination: { external: '10.0.0.1' }, port: 80 }, home), { code: 'endpoint-invalid', path: 'source.color' })
})

t.test('selectors in text form that are no selectors', async t => {
  for (const text of ['a in (b', 'a in b', 'a,,b', 'a(b', 'a=b=c', '!', 'a>b', 'a in (b),', '=x', 'a notin (b c)']) t.throws(() => parseSelector(text), PolicyError, text)
})
