import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { parse } from 'yaml'
import { parseManifests } from '../../src/policy/index.ts'
import { accessPolicies } from './arbitraries.ts'
import { misfits, visit } from './schema.ts'
import { accessPolicy } from './world.ts'

const crd = parse(readFileSync(new URL('../../daemonset/crd-accesspolicy.yaml', import.meta.url), 'utf8'))
const [version] = crd.spec.versions
const schema = version.schema.openAPIV3Schema

const digest = `sha256:${'ab'.repeat(32)}`
/** Uses every field there is. */
const spec = accessPolicy({
  description: 'all of it',
  enforcement: 'enforce',
  subject: { namespaces: ['shop'], namespaceSelector: {}, podSelector: { matchLabels: { app: 'web' } }, serviceAccounts: ['web'], images: [digest] },
  isolates: ['ingress', 'egress'],
  ingress: [
    { name: 'one', action: 'allow', from: [{ clusters: ['west'], trustDomains: ['west.example'], spiffeIds: ['spiffe://west.example/ns/*/sa/web-*'], podSelector: { matchExpressions: [{ key: 'app', operator: 'StartsWith', values: ['web-'] }] }, namespaceSelector: {}, namespaces: ['shop'], serviceAccounts: ['web'], images: [digest] }], ports: [{ protocol: 'TCP', port: 80, endPort: 90 }, { port: 'http' }], mode: 'encrypt' },
    { action: 'observe', observes: 'allow', from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] },
  ],
  egress: [{ name: 'two', action: 'allow', to: [{ fqdns: ['*.example.com'] }, { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }], ports: [{ protocol: 'TCP', port: 80, endPort: 90 }] }, { action: 'observe', observes: 'deny', to: [{ clusters: ['west'], trustDomains: ['west.example'], spiffeIds: ['spiffe://west.example/ns/a/sa/b'], podSelector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'app', operator: 'Exists' }] }, namespaceSelector: {}, namespaces: ['shop'], serviceAccounts: ['web'], images: [digest] }] }, { mode: 'authenticate' }],
  onChange: 'drain',
  drainSeconds: 60,
  active: { from: '2026-11-23T00:00:00Z', until: '2027-11-23T00:00:00+01:00', weekly: [{ days: ['Mon'], start: '22:00', end: '02:00' }] },
})
const full = { ...spec, status: { conditions: [{ type: 'Accepted', status: 'False', observedGeneration: 1, lastTransitionTime: '2026-11-23T00:00:00Z', reason: 'Invalid', message: 'x' }] } }

t.test('names, scope and what kubectl shows', async t => {
  t.match(crd, { metadata: { name: 'accesspolicies.liburna.io' }, spec: { group: 'liburna.io', scope: 'Cluster', names: { kind: 'AccessPolicy', plural: 'accesspolicies', shortNames: ['ap'] } } })
  t.match(version, { name: 'v1alpha1', served: true, storage: true, subresources: { status: {} } })
  for (const { jsonPath } of version.additionalPrinterColumns) {
    let at = { properties: { ...schema.properties, metadata: { properties: { creationTimestamp: {} } } } }
    // A filter of a list leads to its items.
    for (const key of jsonPath.slice(1).replace(/\[\?.*?\]/, '').split('.')) at = at.properties[key as keyof typeof at.properties]?.items ?? at.properties[key as keyof typeof at.properties]
    t.ok(at, `${jsonPath} is a field`)
  }
})

t.test('an object with every field fits the schema and the reader', async t => {
  t.same(misfits(schema, full), [])
  t.same(parseManifests([full]).invalid, [])
})

t.test('that object has every field of the schema, so the reader knows them all', async t => {
  const used = new Set<string>()
  const walk = (value: unknown, path: string): void => {
    used.add(path)
    if (Array.isArray(value)) value.forEach(item => { walk(item, `${path}[]`) })
    else if (typeof value === 'object' && value !== null) for (const [key, inner] of Object.entries(value)) walk(inner, `${path}.${key}`)
  }
  walk(full, '')
  const unused: string[] = []
  visit(schema, (_, path) => { if (!used.has(path) && !/Selector\.match/.test(path)) unused.push(path) })
  t.same(unused, [])
})

t.test('what the reader accepts, the schema accepts', async t => {
  fc.assert(fc.property(accessPolicies, policy => { t.same(misfits(schema, policy), []) }), { numRuns: 300 })
})

t.test('defaults of the schema mean what their absence means to the reader', async t => {
  const defaults: Record<string, unknown> = {}
  visit(schema, (inner, path) => { if (inner.default !== undefined) defaults[path] = inner.default })
  t.same(defaults, {
    '.spec.enforcement': 'enforce', '.spec.subject': {},
    '.spec.ingress[].action': 'allow', '.spec.ingress[].ports[].protocol': 'TCP',
    '.spec.egress[].action': 'allow', '.spec.egress[].ports[].protocol': 'TCP',
  })
  const bare = accessPolicy({ ingress: [{ ports: [{ port: 80 }] }] })
  const filled = accessPolicy({ enforcement: 'enforce', subject: {}, ingress: [{ action: 'allow', ports: [{ port: 80, protocol: 'TCP' }] }] })
  t.same(parseManifests([bare]).policies, parseManifests([filled]).policies)
})

t.test('every field but the obvious is described, and every list is bounded', async t => {
  const unbounded: string[] = []
  const silent: string[] = []
  visit(schema, (inner, path) => {
    if (inner.type === 'array' && inner.maxItems === undefined) unbounded.push(path)
    if (path.startsWith('.spec.') && !path.endsWith('[]') && inner.description === undefined) silent.push(path)
  })
  t.same(unbounded, [])
  t.same(silent.filter(path => !/\.(cidr|protocol)$/.test(path)), [])
})
