/**
 * Our client of the API server, and what it writes there, against a real one: the suites that the small one passes, too. It may do
 * what the manifest of the agents says, and no more.
 */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { Api, EventWriter, KubernetesSource, openCredentials, PolicyConditions } from '../../src/cluster/index.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { Metrics } from '../../src/observe/index.ts'
import { testApiClient } from '../conformance/api-client.ts'
import { testClusterSource } from '../conformance/cluster-source.ts'
import { eventually } from '../fixtures/eventually.ts'
import { FaultProxy } from '../fixtures/fault-proxy.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import { accountIn } from './account.ts'
import { openCluster, waitFor } from './index.ts'
import type { Test } from 'tap'
import type { PolicyObject, Sandbox } from '../../src/cluster/index.ts'
import type { WantedWorkload } from '../conformance/cluster-source.ts'

// Building everything for the first time is part of it.
t.setTimeout(3_600_000)

const cluster = await openCluster({ say: text => { t.comment(text) } })
t.teardown(async () => cluster[Symbol.asyncDispose]())

/** Of no machine: its pods are objects and nothing more. Without the object the pods would be collected. */
const node = 'client-test'
const policiesPath = '/apis/networking.k8s.io/v1/networkpolicies'
const crd = readManifest('crd-accesspolicy.yaml')
/** Under other names: liburna itself may be installed in this cluster. */
const permissions = readManifest('agent-rbac.yaml').replaceAll('namespace: liburna', `namespace: ${node}`).split(/^---$/m)
  .map(part => part.includes('kind: ClusterRole') ? part.replace(/^  name: liburna-agent$/gm, `  name: liburna-${node}`).replace('kind: ClusterRole, name: liburna-agent', `kind: ClusterRole, name: liburna-${node}`) : part).join('---\n')
const folder = new TestFolder()
t.teardown(() => { folder[Symbol.dispose]() })
const world = `---
apiVersion: v1
kind: Node
metadata: {name: ${node}}
spec: {unschedulable: true}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: ${node}}
---
${permissions}`
const isOurCrd = (await cluster.tryKubectl(['get', 'crd', 'accesspolicies.liburna.io'])).code !== 0
await cluster.remove(world)
await cluster.apply(world)
t.teardown(async () => {
  await cluster.kubectl(['delete', 'pods', '--all', '-n', 'shop', '--force', '--grace-period=0'])
  await cluster.remove(isOurCrd ? `${world}---\n${crd}` : world)
})
await waitFor(async () => cluster.kubectl(['get', 'serviceaccount', 'default', '-n', 'shop']), { withinMs: 60_000 })

/** For hundreds of objects: kubectl takes minutes. */
const admin = new Api(await openCredentials({ server: '', kubeconfig: cluster.kubeconfig, serviceAccount: '' }, systemClock))
t.teardown(() => { admin[Symbol.dispose]() })
const credentials = await openCredentials(await accountIn(folder, cluster, node, 'liburna-agent'), systemClock)

function readManifest (name: string): string {
  return readFileSync(new URL(`../../daemonset/${name}`, import.meta.url), 'utf8')
}

function podYaml ({ name, labels = {}, excludedPorts = [], mode }: WantedWorkload): string {
  const annotations = { 'liburna.io/exclude-inbound-ports': excludedPorts.join(','), ...mode !== undefined && { 'liburna.io/mode': mode } }
  return `---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop', labels, annotations }, spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'none' }] } })}\n`
}

function policyObject (name: string): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: 'shop' }, spec: { podSelector: {} } }
}

async function setPolicies (names: readonly string[]): Promise<void> {
  const there = (await cluster.kubectl(['get', 'networkpolicies', '-n', 'shop', '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ').filter(name => name !== '')
  const gone = there.filter(name => !names.includes(name))
  const added = names.filter(name => !there.includes(name))
  // All at once: one by one takes minutes.
  if (gone.length === there.length && gone.length > 0) await cluster.kubectl(['delete', '--raw', '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies'])
  else if (gone.length > 0) await cluster.kubectl(['delete', 'networkpolicies', '-n', 'shop', ...gone])
  const rest = added.values()
  await Promise.all(Array.from({ length: 8 }, async () => { for (const name of rest) await admin.request('/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies', { method: 'POST', body: policyObject(name) }) }))
}

async function open (t: Test) {
  const wire = await FaultProxy.start(credentials)
  t.teardown(async () => { await wire[Symbol.asyncDispose]() })
  const source = async (): Promise<KubernetesSource> => {
    const api = new Api(wire.credentials)
    const opened = await KubernetesSource.open({ node, cluster: 'east', trustDomain: 'east.example', podAnnotations: true, mode: 'unset' }, { api, clock: systemClock, log: memoryLog() })
    t.teardown(() => { opened.stop(); api[Symbol.dispose]() })
    return opened
  }
  return { wire, source }
}

t.test('the client of a real API server', async t => {
  testApiClient(t, async t => ({ ...await open(t), setPolicies }))
})

t.test('a real API server is a cluster source', async t => {
  testClusterSource(t, async t => {
    const { wire, source } = await open(t)
    const sources: KubernetesSource[] = []
    let before: readonly WantedWorkload[] = []
    let sandboxes: readonly Sandbox[] = []
    await cluster.kubectl(['delete', 'pods', '--all', '-n', 'shop', '--force', '--grace-period=0'])
    await setPolicies([])
    await cluster.kubectl(['label', 'namespace', 'shop', 'liburna.io/enforce=true', 'team-', 'liburna.io/mode-', '--overwrite'])
    return {
      setPolicies,
      async setWorkloads (wanted) {
        const stays = ({ name, netns }: WantedWorkload): boolean => wanted.some(each => each.name === name && each.netns === netns)
        const gone = before.filter(workload => !stays(workload)).map(({ name }) => name)
        for (const { uid, id } of sandboxes.filter(({ name }) => gone.includes(name))) for (const each of sources) each.removeSandbox({ uid, id })
        if (gone.length > 0) await cluster.kubectl(['delete', 'pods', '-n', 'shop', '--force', '--grace-period=0', ...gone])
        if (wanted.length > 0) await cluster.apply(wanted.map(podYaml).join(''))
        const { items } = await cluster.get(['pods', '-n', 'shop']) as { items: { metadata: { name: string, uid: string } }[] } // a list of pods
        sandboxes = wanted.map(({ name, netns = name }) => {
          const uid = items.find(({ metadata }) => metadata.name === name)?.metadata.uid ?? ''
          return { id: uid, uid, namespace: 'shop', name, netns: `/run/netns/${netns}` }
        })
        before = wanted
        for (const each of sources) each.setSandboxes(sandboxes)
      },
      async setNamespaceLabels (labels) { await cluster.kubectl(['label', 'namespace', 'shop', '--overwrite', ...Object.entries(labels).map(([key, value]) => `${key}=${value}`)]) },
      async setNamespaceMode (mode) { await cluster.kubectl(['label', 'namespace', 'shop', '--overwrite', `liburna.io/mode=${mode}`]) },
      async breakPolicies () {
        await eventually(() => wire.watching(policiesPath) > 0)
        wire.fault(policiesPath, { status: 500 })
        wire.cut(policiesPath)
      },
      repairPolicies () { wire.heal(policiesPath) },
      async start () {
        const opened = await source()
        opened.setSandboxes(sandboxes)
        sources.push(opened)
        return opened
      },
    }
  })
})

/** A source that knows AccessPolicies, and one of them that is invalid to us although the API server takes it. */
async function withAccessPolicy (t: Test) {
  await setPolicies([])
  const { wire, source } = await open(t)
  const opened = await source()
  await cluster.apply(crd)
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd/accesspolicies.liburna.io'])
  const policy = '---\napiVersion: liburna.io/v1alpha1\nkind: AccessPolicy\nmetadata: {name: client-test}\nspec: {ingress: []}\n'
  t.teardown(async () => { await cluster.remove(policy) })
  await waitFor(async () => cluster.apply(policy), { withinMs: 30_000 })
  // There may be other policies in the cluster.
  const ours = (): readonly PolicyObject[] => opened.policyObjects().filter(({ name: { kind, name } }) => kind === 'AccessPolicy' && name === 'client-test')
  await eventually(() => ours().length === 1, 60_000)
  const condition = async (): Promise<unknown> => (await cluster.get(['accesspolicy', 'client-test']) as { status?: { conditions?: unknown[] } }).status?.conditions // as its schema says
  return { wire, source: opened, condition, ours }
}

t.test('a kind that appears is followed; the condition is written once, by one of two, and nothing else of the object', async t => {
  const { wire, source, condition, ours } = await withAccessPolicy(t)
  const metrics = new Metrics({ version: 'test', node })
  const api = new Api(wire.credentials)
  t.teardown(() => { api[Symbol.dispose]() })
  const clock = new FakeClock()
  const log = memoryLog()
  let isValid = false
  const agents = [0.5, 0.5].map(chance => new PolicyConditions({
    api, clock, log, metrics, random: () => chance,
    policies: ours, opinionOf: () => ({ isValid, problems: ['spec.ingress: not my day'] }),
  }))
  t.teardown(() => { for (const agent of agents) agent[Symbol.dispose]() })
  const ended = async (result: string, count: number): Promise<boolean> => {
    const lines = (await metrics.text()).text.split('\n').filter(line => line.startsWith('liburna_conditions_total{'))
    if (lines.includes(`liburna_conditions_total{result="${result}"} ${count}`)) return true
    throw new Error(`${lines.join(' ')} ${JSON.stringify(log.lines.at(-1)?.fields)}`)
  }
  for (const agent of agents) agent.review()
  clock.advance(5000)
  await eventually(async () => await ended('written', 1) && await ended('overtaken', 1), 30_000)
  t.match(await condition(), [{ type: 'Accepted', status: 'False', reason: 'Invalid', observedGeneration: 1, message: /spec\.ingress: not my day$/ }])
  t.match(await cluster.kubectl(['get', 'accesspolicies']), /^NAME +ACCEPTED .*\nclient-test +False /)
  await eventually(() => ours()[0]?.accepted !== undefined, 30_000)
  const manifests = source.manifests()
  isValid = true
  await cluster.kubectl(['patch', 'accesspolicy', 'client-test', '--type=merge', '-p', '{"spec":{"description":"other"}}'])
  await cluster.kubectl(['patch', 'accesspolicy', 'client-test', '--subresource=status', '--type=json', '-p', '[{"op":"add","path":"/status/conditions/-","value":{"type":"Reviewed","status":"True","observedGeneration":2,"lastTransitionTime":"2026-01-01T00:00:00Z","reason":"R","message":""}}]'])
  await eventually(() => ours()[0]?.generation === 2 && source.manifests() !== manifests, 30_000)
  clock.advance(60_000)
  for (const agent of agents) agent.review()
  await eventually(async () => { clock.advance(60_000); return await ended('written', 2) }, 30_000)
  t.match(await condition(), [{ type: 'Accepted', status: 'True', observedGeneration: 2 }, { type: 'Reviewed' }], 'what others say stays')
})

t.test('events are as a real API server wants them, counted up, and seen where people look', async t => {
  const { wire } = await open(t)
  await cluster.apply(podYaml({ name: 'watched' }))
  const uid = await cluster.kubectl(['get', 'pod', 'watched', '-n', 'shop', '-o', 'jsonpath={.metadata.uid}'])
  const metrics = new Metrics({ version: 'test', node })
  const api = new Api(wire.credentials)
  const clock = new FakeClock(Date.now())
  const writer = new EventWriter(node, { api, clock, log: memoryLog(), metrics })
  t.teardown(() => { writer[Symbol.dispose](); api[Symbol.dispose]() })
  const about = { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'watched', uid }
  const tell = (): void => { writer.tell({ about, reason: 'FlowDenied', note: `from \u001b[31m${'ä'.repeat(1000)}`, sort: 'a', isShared: false }) }
  const written = async (count: number): Promise<void> => { await eventually(async () => new RegExp(`events_total\\{result="written"\\} ${count}$`, 'm').test((await metrics.text()).text), 30_000) }
  for (let i = 0; i < 5; i++) tell()
  await written(1)
  tell()
  clock.advance(11 * 60_000)
  await written(2)
  const events = await cluster.get(['events.v1.events.k8s.io', '-n', 'shop', '--field-selector', 'reason=FlowDenied']) as { items: object[] } // a list
  t.match(events.items, [{ series: { count: 6 }, regarding: { uid }, reportingController: 'liburna.io/agent', type: 'Warning' }])
  t.match(await cluster.kubectl(['describe', 'pod', 'watched', '-n', 'shop']), /Warning +FlowDenied .*a connection was denied: from/)
  writer.tell({ about: { apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', namespace: '', name: 'gone', uid: 'u' }, reason: 'PolicyInvalid', note: 'x', sort: '', isShared: true })
  clock.advance(30_000)
  await written(3)
  t.match(await cluster.kubectl(['get', 'events', '-n', 'default', '--field-selector', 'reason=PolicyInvalid']), /accesspolicy\/gone/)
  t.notMatch((await metrics.text()).text, /events_total\{result="(?:failed|dropped)"\} [1-9]/)
})
