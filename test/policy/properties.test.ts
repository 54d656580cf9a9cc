import fc from 'fast-check'
import t from 'tap'
import { compile, formatSelector, judgeFlow, parseEndpoint, parseFlow, parseLabelSelector, parseManifests, parseSelector, PolicyError, questionOf, selectsLabels, workloadsIn } from '../../src/policy/index.ts'
import { accessPolicies, clusterPolicies, flows, labels, networkPolicies, networkRule, policies, policySets, selector } from './arbitraries.ts'
import { noon, setOf } from './world.ts'
import type { FlowJudgement, PolicySet } from '../../src/policy/index.ts'

const home = { trustDomain: 'east.example', cluster: 'east' }
const told = ({ allowed, egress, ingress }: FlowJudgement): unknown => JSON.parse(JSON.stringify({ allowed, egress, ingress }))
const judge = (set: PolicySet, flow: object): FlowJudgement => judgeFlow(set, parseFlow(flow, home), noon)

t.test('the generated policies are valid, so the properties are about something', async t => {
  fc.assert(fc.property(policies, one => { t.same(parseManifests([one]).invalid, []) }), { numRuns: 200 })
})

t.test('the order of manifests never matters', async t => {
  fc.assert(fc.property(policySets.chain(set => fc.tuple(fc.constant(set), fc.shuffledSubarray(set, { minLength: set.length }))), fc.array(flows, { maxLength: 5 }), ([set, shuffled], asked) => {
    const [a, b] = [setOf(set), setOf(shuffled)]
    for (const flow of asked) t.same(told(judge(a, flow)), told(judge(b, flow)))
  }), { numRuns: 300 })
})

t.test('adding an allow rule to a policy never denies what was allowed', async t => {
  fc.assert(fc.property(policySets, networkPolicies, networkRule('from'), fc.array(flows, { maxLength: 5 }), (others, policy, rule, asked) => {
    const kept = others.filter(one => (one as { kind: string }).kind !== 'NetworkPolicy')
    const spec = (policy as { spec: { ingress?: object[] } }).spec
    const [a, b] = [setOf([...kept, policy]), setOf([...kept, { ...policy, spec: { policyTypes: ['Ingress', 'Egress'], ...spec, ingress: [...spec.ingress ?? [], rule] } }])]
    for (const flow of asked) {
      const [before, after] = [judge(a, flow).ingress, judge(b, flow).ingress]
      t.notOk(before.layer === 'network' && before.action === 'allow' && after.action === 'deny')
    }
  }), { numRuns: 300 })
})

t.test('explain never disagrees with decide', async t => {
  fc.assert(fc.property(policySets, flows, (manifests, flow) => {
    const set = setOf(manifests)
    for (const direction of ['ingress', 'egress'] as const) {
      const question = questionOf(parseFlow(flow, home), direction, noon)
      if (question === undefined) continue
      const { decision, steps, isolatedBy } = set.explain(question)
      t.same(JSON.parse(JSON.stringify(decision)), JSON.parse(JSON.stringify(set.decide(question))))
      const last = steps.findLast(step => step.matched && step.action !== 'pass')
      if (decision.entry !== undefined) t.same(last?.rule, decision.decidedBy)
      else t.equal(decision.action, isolatedBy.length > 0 && decision.layer === 'network' ? 'deny' : 'allow')
    }
  }), { numRuns: 300 })
})

t.test('changing a set step by step gives what compiling it at once gives', async t => {
  fc.assert(fc.property(policySets, policySets, flows, (before, after, flow) => {
    const grown = compile(parseManifests(before).policies)
    judge(grown, flow) // so that something is remembered that must be forgotten
    const [old, now] = [parseManifests(before).policies, parseManifests(after).policies]
    grown.apply({ remove: old.map(({ ref }) => ref) })
    for (const policy of now) grown.apply({ put: [policy] })
    t.same(told(judge(grown, flow)), told(judge(compile(now), flow)))
    t.equal(grown.policies.length, now.length)
  }), { numRuns: 200 })
})

t.test('the index finds exactly the policies whose subject matches', async t => {
  fc.assert(fc.property(policySets, flows, (manifests, flow) => {
    const set = setOf(manifests)
    const { source } = parseFlow(flow, home)
    if (source.kind === 'external') return
    const alone = set.policies.filter(policy => compile([policy]).selecting(source.identity).length === 1)
    t.same(new Set(set.selecting(source.identity)), new Set(alone))
    for (const { subject: { labels: wanted } } of set.selecting(source.identity)) t.ok(wanted === undefined || selectsLabels(wanted, source.identity.attributes.labels))
  }), { numRuns: 200 })
})

t.test('a selector reads back from its own text', async t => {
  fc.assert(fc.property(selector, labels, (one, set) => {
    const parsed = parseLabelSelector(one)
    t.equal(selectsLabels(parseSelector(formatSelector(parsed)), set), selectsLabels(parsed, set), formatSelector(parsed))
  }), { numRuns: 300 })
})

/** JSON with the field names of policies at random places, which goes deeper than plain random JSON. */
const hostile = fc.letrec(tie => ({
  value: fc.oneof({ depthSize: 'medium' }, fc.jsonValue(), fc.constantFrom('In', 'TCP', '10.0.0.0/8', 'Allow', '__proto__', 1e300, -1, ''), tie('object'), fc.array(tie('value'), { maxLength: 3 })),
  object: fc.dictionary(fc.constantFrom('apiVersion', 'kind', 'metadata', 'name', 'namespace', 'spec', 'podSelector', 'matchLabels', 'matchExpressions', 'key', 'operator', 'values', 'ingress', 'egress', 'from', 'to', 'ports', 'port', 'endPort', 'policyTypes', 'items', 'subject', 'active', 'weekly', 'priority', 'tier', '__proto__', 'constructor', 'toString', 'template', 'containers', 'source', 'destination', 'external'), tie('value'), { maxKeys: 6 }),
})).value

/** A valid policy in which one random place was replaced. */
const damaged = fc.tuple(fc.oneof(networkPolicies, clusterPolicies, accessPolicies), fc.nat(), hostile).map(([policy, at, junk]) => replaceAt(structuredClone(policy), at, junk))

function replaceAt (root: object, at: number, junk: unknown): object {
  const places: [Record<string, unknown>, string][] = []
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const key of Object.keys(value)) {
      places.push([value as Record<string, unknown>, key]) // arrays are records of their indices here
      visit((value as Record<string, unknown>)[key])
    }
  }
  visit((root as { metadata: unknown, spec: unknown }).spec)
  const [object, key] = places[at % Math.max(1, places.length)] ?? [root as Record<string, unknown>, 'spec']
  object[key] = junk
  return root
}

t.test('no manifest, however malformed, throws; and the set made of it answers', async t => {
  const wrapped = hostile.map(value => ({ apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'x' }, spec: value }))
  fc.assert(fc.property(fc.array(fc.oneof(damaged, hostile, wrapped), { maxLength: 4 }), flows, (objects, flow) => {
    const { policies: parsed, invalid } = parseManifests(objects)
    for (const one of invalid) t.ok(one.reason.length > 0 && one.value.length <= 80)
    judge(compile(parsed), flow)
    workloadsIn(objects, home)
  }), { numRuns: 1500 })
})

t.test('an invalid policy never lets through what the valid rest denies', async t => {
  fc.assert(fc.property(policySets, damaged, flows, (rest, bad, flow) => {
    const { policies: parsed, invalid } = parseManifests([...rest.filter(one => (one as { kind: string }).kind !== (bad as { kind: string }).kind), bad])
    fc.pre(invalid.length > 0)
    const without = parsed.filter(({ broken }) => broken === '')
    const judged = judge(compile(parsed), flow)
    if (judged.allowed) t.ok(judge(compile(without), flow).allowed)
  }), { numRuns: 500 })
})

t.test('flows, endpoints and selectors: anything but the documented error is a fault', async t => {
  const only = (run: () => unknown): void => { try { run() } catch (error) { t.type(error, PolicyError) } }
  fc.assert(fc.property(hostile, fc.string({ maxLength: 30 }), (value, text) => {
    only(() => parseFlow(value, home))
    only(() => parseEndpoint(value, home))
    only(() => parseLabelSelector(value))
    only(() => parseSelector(text))
  }), { numRuns: 1000 })
})
