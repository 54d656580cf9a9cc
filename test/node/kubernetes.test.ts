/** A whole agent on a small API server and a small container runtime, with a real network namespace. */

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import t from 'tap'
import { startAgent } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { formatSocketAddress } from '../../src/model/address.ts'
import { FakeApiServer } from '../fixtures/api-server.ts'
import { kernelTest } from '../capture/kernel-test.ts'
import { agentWorld, ask } from './agent-world.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { addNetns, netnsPath, removeNetns } from '../fixtures/lab/netns.ts'
import { KubernetesWorld, paths, podObject } from '../fixtures/kubernetes-world.ts'
import { FakeRuntime } from '../fixtures/nri-runtime.ts'
import type { Test } from 'tap'
import type { Agent } from '../../src/app.ts'

const prefix = `lbkn${randomBytes(3).toString('hex')}-`
t.teardown(() => { removeNetns(prefix) })

/** One that nobody had a moment ago. */
async function freePort (): Promise<number> {
  await using server = await FakeApiServer.start()
  return server.port
}

function rulesIn (name: string): string {
  return execFileSync('nsenter', [`--net=${netnsPath(name)}`, 'nft', 'list', 'tables'], { encoding: 'utf8' })
}

kernelTest('a pod has its rules when the runtime is answered, and none when its namespace is let go', async t => {
  const { kubernetes, runtime, start } = await agentWorld(t)
  const netns = `${prefix}web`
  await addNetns(netns)
  kubernetes.pod({ name: 'web' })
  const agent = await start()
  await runtime.greeted(1)
  const pod = { id: 'i', uid: 'uid-shop-web', namespace: 'shop', name: 'web', netns: netnsPath(netns) }
  t.match(await runtime.run(pod), { refusal: undefined })
  t.match(rulesIn(netns), /inet liburna/)
  await eventually(async () => (await ask(agent, '/readyz')).status === 200)
  t.match(JSON.parse((await ask(agent, '/workloads')).body), [{ workload: 'shop/web', captured: true }])
  t.match((await ask(agent, '/metrics')).body, /^liburna_pods_started_total\{result="captured"\} 1$/m)
  kubernetes.namespace('shop', {})
  await eventually(() => !rulesIn(netns).includes('liburna'))
})

kernelTest('a pod that cannot be captured is refused, and its next try is not', async t => {
  const { kubernetes, runtime, start } = await agentWorld(t)
  const netns = `${prefix}late`
  kubernetes.pod({ name: 'late' })
  await start()
  await runtime.greeted(1)
  const pod = { id: 'one', uid: 'uid-shop-late', namespace: 'shop', name: 'late', netns: netnsPath(netns) }
  t.match(await runtime.run(pod), { refusal: /liburna cannot capture shop\/late/ })
  await eventually(() => kubernetes.server.objects(paths.events).some(({ reason }) => reason === 'StartRefused'))
  t.match(kubernetes.server.objects(paths.events).map(({ reason, regarding }) => ({ reason, regarding })).find(({ reason }) => reason === 'StartRefused'), { regarding: { kind: 'Pod', namespace: 'shop', name: 'late', uid: 'uid-shop-late' } })
  await addNetns(netns)
  t.match(await runtime.run({ ...pod, id: 'two' }), { refusal: undefined })
  t.match(rulesIn(netns), /inet liburna/)
  await runtime.stop({ ...pod, id: 'two' })
})

kernelTest('an AccessPolicy says what the agent makes of it, and a pod without its rules is in the metrics', async t => {
  const { kubernetes, runtime, start } = await agentWorld(t)
  kubernetes.server.serve(paths.accessPolicies)
  kubernetes.server.put(paths.accessPolicies, { metadata: { name: 'odd' }, spec: { ingress: 1 } })
  kubernetes.pod({ name: 'web' })
  runtime.pods = [{ id: 'i', uid: 'uid-shop-web', namespace: 'shop', name: 'web', netns: netnsPath(`${prefix}nowhere`) }]
  const agent = await start()
  await eventually(() => kubernetes.server.objects(paths.accessPolicies)[0]?.['status'])
  t.match(kubernetes.server.objects(paths.accessPolicies)[0]?.['status'], { conditions: [{ type: 'Accepted', status: 'False', message: /spec\.ingress: / }] })
  const metrics = (await ask(agent, '/metrics')).body
  t.match(metrics, /^liburna_pod_not_enforced\{pod="shop\/web",why="no-namespace"\} 1$/m)
  t.match(metrics, /^liburna_policy_invalid\{policy="AccessPolicy odd"\} 1$/m)
})

kernelTest('what runs already is captured when the agent comes', async t => {
  const { kubernetes, runtime, start } = await agentWorld(t)
  const netns = `${prefix}old`
  await addNetns(netns)
  kubernetes.pod({ name: 'old' })
  runtime.pods = [{ id: 'i', uid: 'uid-shop-old', namespace: 'shop', name: 'old', netns: netnsPath(netns) }]
  const agent = await start()
  await eventually(() => rulesIn(netns).includes('liburna'))
  t.match(JSON.parse((await ask(agent, '/workloads')).body), [{ workload: 'shop/old' }])
})

/** An agent with a captured pod, in a cluster where liburna has the namespace `liburna`. */
async function captured (t: Test, name: string) {
  const { kubernetes, runtime, start } = await agentWorld(t)
  const netns = `${prefix}${name}`
  await addNetns(netns)
  kubernetes.namespace('liburna', {})
  kubernetes.pod({ name })
  runtime.pods = [{ id: 'i', uid: `uid-shop-${name}`, namespace: 'shop', name, netns: netnsPath(netns) }]
  const agent = await start()
  await eventually(() => rulesIn(netns).includes('liburna'))
  /** As `kubectl delete namespace` does at first. */
  const deleteNamespace = (): void => {
    kubernetes.server.put(paths.namespaces, { metadata: { name: 'liburna', deletionTimestamp: '2026-01-01T00:00:00Z' } })
  }
  return { agent, kubernetes, runtime, start, netns, deleteNamespace }
}

kernelTest('an agent serves the pods that the one before it was told of, though the runtime is silent', async t => {
  const { agent, start, netns, runtime } = await captured(t, 'noted')
  await agent.stop()
  runtime.isSilent = true
  const next = await start()
  await eventually(async () => (await ask(next, '/readyz')).status === 200)
  t.match(JSON.parse((await ask(next, '/workloads')).body), [{ workload: 'shop/noted', captured: true }])
  t.match(rulesIn(netns), /liburna/)
  t.match(JSON.parse((await ask(next, '/readyz')).body), { troubles: [{ name: 'container runtime', detail: 'does not tell of pods: not registered yet' }] })
})

kernelTest('while another agent of the node ends nobody registers: containerd could start no pod until it has', async t => {
  const { start, kubernetes, runtime } = await captured(t, 'waiting')
  const ending = podObject({ name: 'liburna-agent-a', namespace: 'liburna', spec: { hostNetwork: true } })
  kubernetes.server.put(paths.pods, { ...ending, metadata: { ...ending.metadata, deletionTimestamp: new Date(Date.now() + 600_000).toISOString() } })
  const next = await start()
  await eventually(async () => (await ask(next, '/readyz')).status === 200)
  t.match(JSON.parse((await ask(next, '/readyz')).body), { troubles: [{ name: 'container runtime', detail: 'does not tell of pods: liburna/liburna-agent-a ends' }] })
  t.equal(runtime.registered.length, 1)
  kubernetes.server.remove(paths.pods, 'liburna-agent-a', 'liburna')
  await runtime.greeted(2)
  await eventually(async () => (JSON.parse((await ask(next, '/readyz')).body) as { troubles: unknown[] }).troubles.length === 0) // as readiness.ts writes it
})

kernelTest('an agent that ends keeps the guard', async t => {
  const { agent, netns } = await captured(t, 'kept')
  await agent.stop()
  t.match(rulesIn(netns), /liburna/)
})

kernelTest('an agent that ends while the namespace of liburna is being deleted lets its pods go', async t => {
  const { agent, netns, deleteNamespace } = await captured(t, 'freed')
  deleteNamespace()
  await agent.stop()
  t.equal(rulesIn(netns), '')
})

kernelTest('an agent that ends asks whether liburna is being removed, if its watch has not told', async t => {
  const { agent, kubernetes, netns, deleteNamespace } = await captured(t, 'asked')
  kubernetes.server.fault(paths.namespaces, { status: 503 })
  kubernetes.server.cut(paths.namespaces)
  deleteNamespace()
  await agent.stop()
  t.equal(rulesIn(netns), '')
})

kernelTest('an agent that ends without an API server keeps the guard', async t => {
  const { agent, kubernetes, netns, deleteNamespace } = await captured(t, 'unknown')
  for (const path of [paths.namespaces, `${paths.namespaces}/liburna`]) kubernetes.server.fault(path, { status: 403 })
  kubernetes.server.cut(paths.namespaces)
  deleteNamespace()
  await agent.stop()
  t.match(rulesIn(netns), /liburna/)
})

kernelTest('an agent that waits for the API server says so, and starts when it is there', async t => {
  const { kubernetes, config } = await agentWorld(t)
  kubernetes.server.fault(paths.pods, { status: 503 })
  // A port of its own, to be asked before the agent is there to tell it.
  const listen = { ip: config.admin.listen.ip, port: await freePort() }
  const starting = startAgent({ ...config, admin: { ...config.admin, listen } }, { version: 'test' })
  const ready = async (): Promise<Response> => fetch(`http://127.0.0.1:${listen.port}/readyz`)
  const response = await eventually(ready)
  t.equal(response.status, 503)
  t.match(await response.json(), { awaited: [{ name: 'API server' }, { name: 'start' }] })
  kubernetes.server.heal(paths.pods)
  const agent = await starting
  t.teardown(async () => { await agent.stop() })
  await eventually(async () => (await ready()).status === 200)
})
