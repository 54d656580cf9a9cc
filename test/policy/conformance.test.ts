/** Every case of ../shared/conformance about verdicts of TCP, UDP and SCTP, about selectors and about validation. */

import t from 'tap'
import { parseLabelSelector, parseManifests, parseSelector, PolicyError, selectsLabels } from '../../src/policy/index.ts'
import { whyNotLabelKey, whyNotLabelValue, whyNotNamespace } from '../../src/policy/names.ts'
import { cellOf, e2eWorld, endpointOf, judge, keysOnly, listOf, readCases, setOf, textOf, unknownSections, worldOf } from './conformance.ts'
import type { Test } from 'tap'
import type { World } from './conformance.ts'

const missing = readCases('recipes.json') === undefined ? 'the folder ../shared/conformance is not there' : false
if (missing !== false) t.comment(missing)

t.test('every file and every section of a file is read by some test below', { skip: missing }, async t => {
  t.same(unknownSections(), [])
})

t.test('Kubernetes e2e NetworkPolicy tables', { skip: missing }, async t => {
  const file = readCases('k8s-e2e-netpol.json') ?? {}
  const topology = keysOnly(file['topology'], ['namespaces', 'pods', 'containerPorts', 'podIPs', 'podIPsNote'])
  let steps = 0
  for (const value of listOf(file['cases'])) {
    const one = keysOnly(value, ['name', 'group', 'tcp', 'pods', 'ports', 'protocols', 'steps'])
    for (const [i, stepValue] of listOf(one['steps']).entries()) {
      const step = keysOnly(stepValue, ['policies', 'probe', 'expected', 'derivedFullGrid', 'by', 'namespaceLabels', 'podLabelOverrides'])
      const world = e2eWorld(topology['podIPs'], one, step)
      checkGrid(t, `${textOf(one['name'])} step ${i}`, world, step['policies'], step['probe'], step['expected'])
      if (step['derivedFullGrid'] !== undefined) checkGrid(t, `${textOf(one['name'])} step ${i}, full grid`, world, step['policies'], step['probe'], step['derivedFullGrid'])
      steps++
    }
  }
  t.equal(steps, (file['counts'] as { steps: number }).steps, 'every step was run')
})

/** rows[i][j]: from order[i] to order[j]; '#' and 'N' say nothing. */
function checkGrid (t: Test, name: string, world: World, policies: unknown, probe: unknown, expected: unknown): void {
  const { port, protocol } = keysOnly(probe, ['port', 'protocol'])
  const { order, rows } = keysOnly(expected, ['order', 'rows'])
  const set = setOf(listOf(policies))
  const names = listOf(order).map(textOf)
  t.same(wrongCells(names, (i, j) => cellOf(rows, i, j), (from, to) => judge(set, endpointOf(world, from), endpointOf(world, to), protocol, port).allowed), [], name)
}

/** The pairs for which the answer is not what the cell states, in words. */
function wrongCells (names: readonly string[], cell: (i: number, j: number) => ReturnType<typeof cellOf>, allowed: (from: string, to: string) => boolean): string[] {
  return names.flatMap((from, i) => names.flatMap((to, j) => {
    const expected = cell(i, j)
    const seen = expected === 'nothing' ? 'nothing' : allowed(from, to) ? 'allowed' : 'blocked'
    return seen === expected ? [] : [`${from} to ${to}: ${seen} where ${expected} is expected`]
  }))
}

t.test('ClusterNetworkPolicy conformance', { skip: missing }, async t => {
  const file = readCases('conformance-cnp-v1alpha2.json') ?? {}
  t.same(file['semantics'], { networksSelectPods: true, nodesSelectHostNetworkPods: true, hostNetworkPodsAreNotSubjects: true })
  const base = keysOnly(file['base'], ['namespaces', 'pods'])
  let probes = 0
  for (const value of listOf(file['cases'])) {
    const one = keysOnly(value, ['name', 'description', 'features', 'registeredUpstream', 'source', 'steps'])
    for (const stepValue of listOf(one['steps'])) {
      const step = keysOnly(stepValue, ['run', 'policies', 'namespaces', 'probes'])
      const world = worldOf(step['namespaces'] ?? base['namespaces'], base['pods'])
      const set = setOf(listOf(step['policies']))
      for (const probeValue of listOf(step['probes'])) {
        const probe = keysOnly(probeValue, ['src', 'dst', 'protocol', 'port', 'expectedAllowed', 'upstreamComment'])
        const { allowed, egress, ingress } = judge(set, endpointOf(world, podName(probe['src'])), endpointOf(world, podName(probe['dst'])), probe['protocol'], probe['port'])
        t.equal(allowed, probe['expectedAllowed'], `${textOf(one['name'])}: ${textOf(step['run'])}: ${podName(probe['src'])} to ${podName(probe['dst'])} (${egress.reason}; ${ingress.reason})`)
        probes++
      }
    }
  }
  t.equal(probes, (file['counts'] as { probes: number }).probes, 'every probe was run')
})

function podName (value: unknown): string {
  const { namespace, pod } = keysOnly(value, ['namespace', 'pod'])
  return `${textOf(namespace)}/${textOf(pod)}`
}

t.test('NetworkPolicy recipes', { skip: missing }, async t => {
  const file = readCases('recipes.json') ?? {}
  for (const value of listOf(file['recipes'])) {
    const recipe = keysOnly(value, ['name', 'note', 'source', 'policies', 'namespaces', 'pods', 'probes'])
    const world = worldOf(recipe['namespaces'], recipe['pods'])
    const set = setOf(listOf(recipe['policies']))
    for (const probeValue of listOf(recipe['probes'])) {
      const probe = keysOnly(probeValue, ['src', 'dst', 'protocol', 'port', 'expectedAllowed', 'upstreamText'])
      const { allowed } = judge(set, endpointOf(world, textOf(probe['src'])), endpointOf(world, textOf(probe['dst'])), probe['protocol'], probe['port'])
      t.equal(allowed, probe['expectedAllowed'], `${textOf(recipe['name'])}: ${textOf(probe['src'])} to ${textOf(probe['dst'])}:${String(probe['port'])}`)
    }
  }
})

t.test('NetworkPolicy recipes as grids, each direction on its own', { skip: missing }, async t => {
  const file = readCases('recipes.json') ?? {}
  for (const value of listOf(file['grids'])) {
    const grid = keysOnly(value, ['recipe', 'policies', 'namespaces', 'pods', 'probe', 'expected'])
    const { port, protocol } = keysOnly(grid['probe'], ['port', 'protocol'])
    const expected = keysOnly(grid['expected'], ['order', 'ingress', 'egress', 'combined'])
    const vacuous = textOf(grid['recipe']) in (file['gridNotes'] as object)
    const world = worldOf(grid['namespaces'], grid['pods'])
    const set = setOf(listOf(grid['policies']))
    const names = listOf(expected['order']).map(textOf)
    for (const kind of ['ingress', 'egress', 'combined'] as const) {
      const wrong = wrongCells(names, (i, j) => cellOf(expected[kind], i, j, { vacuous }), (from, to) => {
        const judgement = judge(set, endpointOf(world, from), endpointOf(world, to), protocol, port)
        return kind === 'combined' ? judgement.allowed : judgement[kind].action === 'allow'
      })
      t.same(wrong, [], `recipe ${textOf(grid['recipe'])}, ${kind}`)
    }
  }
})

t.test('label selectors: text form', { skip: missing }, async t => {
  for (const value of listOf(readCases('k8s-label-selectors.json')?.['stringSelectors'])) {
    const { selector, labels, matches } = keysOnly(value, ['selector', 'labels', 'matches'])
    t.equal(selectsLabels(parseSelector(textOf(selector)), labels as Record<string, string>), matches, `${textOf(selector)} on ${JSON.stringify(labels)}`)
  }
})

t.test('label selectors: structured form', { skip: missing }, async t => {
  const file = readCases('k8s-label-selectors.json') ?? {}
  const sets = listOf(file['labelSets']).map(labels => (labels ?? {}) as Record<string, string>)
  let [verdicts, errors] = [0, 0]
  for (const value of listOf(file['grid'])) {
    const one = keysOnly(value, ['selector', 'matches', 'error'])
    if (one['error'] !== undefined) {
      t.throws(() => parseLabelSelector(one['selector']), PolicyError, JSON.stringify(one['selector']))
      errors++
    } else {
      const selector = parseLabelSelector(one['selector'])
      t.same(sets.map(labels => selectsLabels(selector, labels)), one['matches'], JSON.stringify(one['selector']))
      verdicts += sets.length
    }
  }
  t.same({ verdicts, errors }, { verdicts: (file['counts'] as { gridVerdicts: number }).gridVerdicts, errors: (file['counts'] as { gridErrors: number }).gridErrors })
})

t.test('label keys, label values and namespace names', { skip: missing }, async t => {
  const file = readCases('k8s-label-selectors.json') ?? {}
  for (const [list, whyNot] of [['labelKeys', whyNotLabelKey], ['labelValues', whyNotLabelValue], ['namespaceNames', whyNotNamespace]] as const) {
    for (const one of listOf(file[list])) {
      const { value, valid } = keysOnly(one, ['value', 'valid'])
      t.equal(whyNot(textOf(value)) === undefined, valid, `${list} ${JSON.stringify(value)}`)
    }
  }
})

t.test('NetworkPolicy validation', { skip: missing }, async t => {
  const file = readCases('k8s-networkpolicy-validation.json') ?? {}
  for (const value of listOf(file['valid'])) {
    const { index, manifest } = keysOnly(value, ['index', 'manifest', 'name'])
    t.same(parseManifests([manifest]).invalid, [], `valid ${String(index)}`)
  }
  for (const value of listOf(file['invalid'])) {
    const { name, manifest } = keysOnly(value, ['name', 'manifest'])
    const { invalid } = parseManifests([manifest])
    t.ok(invalid.length > 0, `invalid: ${textOf(name)}`)
    t.match(invalid[0], { kind: 'NetworkPolicy', namespace: 'bar', name: 'foo', path: /^spec/, reason: /./ })
  }
})
