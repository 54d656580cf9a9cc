/** liburna as it is installed: our image, our manifests, a real cluster of two nodes with equal pod addresses and NAT between them. */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { agentImage, buildImage, busyboxImage, openCluster, waitFor } from './index.ts'
import type { NodeName } from './index.ts'
import type { FlowRecord } from '../../src/model/flow.ts'

// Building everything for the first time is part of it.
t.setTimeout(3_600_000)

const say = (text: string): void => { t.comment(text) }
const cluster = await openCluster({ say })
t.teardown(async () => cluster[Symbol.asyncDispose]())

const system = 'liburna'
const shop = 'agent-test-shop'
const agents = 'app.kubernetes.io/component=agent'
const [image = '', tag = ''] = agentImage.split(/:(?=[^:]*$)/)

/** The manifests as they are, with another image. */
const overlay = mkdtempSync(join(tmpdir(), 'lbk-overlay-'))
t.teardown(() => { rmSync(overlay, { recursive: true, force: true }) })
writeFileSync(join(overlay, 'kustomization.yaml'), JSON.stringify({
  apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization',
  resources: [relative(overlay, fileURLToPath(new URL('../../daemonset', import.meta.url)))], images: [{ name: 'liburna', newName: image, newTag: tag }],
}))

/** Shell scripts in pods; httpd answers with the name of the pod. */
const server = 'mkdir -p /tmp/w; hostname >/tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w'

interface PodWish {
  readonly node: NodeName
  readonly run?: string
  readonly early?: string
  readonly container?: string
}

function podYaml (name: string, { node, run = 'sleep 100000', early, container = '' }: PodWish): string {
  const part = (id: string, script: string, more = ''): string => `{name: ${id}, image: "${busyboxImage}", imagePullPolicy: Never, command: [sh, -c, ${JSON.stringify(script)}]${more}}`
  return `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${shop}, labels: {app: ${name}}}
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  ${early === undefined ? '' : `initContainers: [${part('early', early)}]`}
  containers: [${part('main', run, container)}]
`
}

function policyYaml (from: string): string {
  return `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: ${shop}}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: ${from}}}}], ports: [{port: http}]}]}
`
}

const probes = ', readinessProbe: {httpGet: {path: /index.html, port: 8080}, periodSeconds: 1}, livenessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}'
const web = podYaml('web', { node: 'n1', run: server, container: `, ports: [{name: http, containerPort: 8080, hostPort: 31080}]${probes}` })
const webUrl = `http://${cluster.node('n1').address}:31080/index.html`
const world = `---
apiVersion: v1
kind: Namespace
metadata: {name: ${shop}, labels: {liburna.io/enforce: "true"}}
${policyYaml('client')}${web}${podYaml('client', { node: 'n2' })}${podYaml('other', { node: 'n2' })}`

async function agentOf (node: NodeName): Promise<string> {
  return cluster.kubectl(['get', 'pods', '-n', system, '-l', agents, '--field-selector', `spec.nodeName=${node},status.phase=Running`, '-o', 'jsonpath={.items[0].metadata.name}'])
}

/** What the agent of a node has recorded. */
async function records (node: NodeName): Promise<FlowRecord[]> {
  const lines = (await cluster.logs(await agentOf(node), { namespace: system })).split('\n').filter(line => line.startsWith('{"time"'))
  return lines.map(line => JSON.parse(line) as FlowRecord /* what the agent wrote */)
}

async function metric (node: NodeName, name: string): Promise<number> {
  const text = await cluster.node(node).must(['busybox', 'wget', '-qO-', 'http://127.0.0.1:9901/metrics'])
  return Number(text.split('\n').find(line => line.startsWith(`${name} `))?.split(' ')[1])
}

async function wget (pod: string, url = webUrl): Promise<boolean> {
  return (await cluster.tryExec(pod, ['timeout', '10', 'wget', '-qO-', url], { namespace: shop })).code === 0
}

async function soon (probe: () => Promise<boolean>): Promise<void> {
  await waitFor(async () => await probe() || undefined, { withinMs: 30_000 })
}

say('the image')
await buildImage({ say })
await cluster.loadImage(agentImage)

t.test('the manifests are as the API server wants them', async t => {
  // Nothing can be tried in a namespace that is not there.
  await cluster.apply(readFileSync(new URL('../../daemonset/namespace.yaml', import.meta.url), 'utf8'))
  const checked = await cluster.kubectl(['apply', '-k', overlay, '--dry-run=server', '--validate=strict'])
  t.match(checked, /daemonset\.apps\/liburna-agent/)
})

t.test('agents and issuers start', async () => {
  await cluster.kubectl(['apply', '-k', overlay])
  await cluster.kubectl(['delete', 'pods', '-n', system, '--all', '--wait=true'])
  await cluster.waitReady(['deployment/liburna-issuer', 'daemonset/liburna-agent'], { namespace: system, withinMs: 180_000 })
})

t.test('a connection is judged by labels, through address translation', async t => {
  await cluster.remove(world)
  await cluster.alignPodAddresses()
  await cluster.apply(world)
  await cluster.waitReady(['pod/web', 'pod/client', 'pod/other'], { namespace: shop })
  t.equal(await wget('client'), true)
  t.equal(await wget('other'), false)
  const inbound = async (): Promise<FlowRecord[]> => (await records('n1')).filter(({ source, direction }) => direction === 'inbound' && source.name !== '')
  await soon(async () => (await inbound()).length >= 2)
  const seen = await inbound()
  t.match(seen.find(({ source }) => source.name === 'client'), { mode: 'encrypt', verdict: 'allowed', decidedBy: `NetworkPolicy ${shop}/web ingress[0]`, peer: 'verified', outcome: 'completed' })
  t.match(seen.find(({ source }) => source.name === 'other'), { verdict: 'denied', decidedBy: `NetworkPolicy ${shop}/web`, outcome: 'denied-by-policy' })
  const denied = (await records('n2')).find(({ source }) => source.name === 'other')
  t.match(denied, { outcome: 'denied-by-peer', decidedBy: `NetworkPolicy ${shop}/web`, realDestination: /:8080$/ })
})

t.test('what a pod does first is captured', async t => {
  const early = podYaml('early', { node: 'n2', early: `wget -qO- ${webUrl} || true` })
  t.teardown(async () => cluster.remove(early))
  await cluster.apply(early)
  await cluster.waitReady(['pod/early'], { namespace: shop })
  await soon(async () => (await records('n1')).some(({ source, outcome }) => source.name === 'early' && outcome === 'denied-by-policy'))
})

t.test('the node may probe its pods, and nobody may who only wears its address', async t => {
  const node = cluster.node('n1')
  const address = await cluster.kubectl(['get', 'pod', 'web', '-n', shop, '-o', 'jsonpath={.status.podIP}'])
  t.equal((await node.run(['busybox', 'wget', '-qO-', `http://${address}:8080/index.html`])).code, 0, 'a process of the node')
  const service = `apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: ${shop}}\nspec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 31081}]}\n`
  t.teardown(async () => cluster.remove(service))
  await cluster.apply(service)
  // kube-proxy gives a connection from elsewhere the node's address as its source, for the answers to come back.
  const stranger = async (): Promise<number | null> => (await cluster.node('n2').run(['busybox', 'timeout', '3', 'busybox', 'wget', '-qO-', `http://${node.address}:31081/index.html`])).code
  await soon(async () => {
    await stranger()
    return (await records('n1')).some(({ peer, verdict, source }) => peer === 'no-agent' && verdict === 'denied' && /^10\.244\./.test(source.address))
  })
  t.not(await stranger(), 0)
  t.equal(await cluster.kubectl(['get', 'pod', 'web', '-n', shop, '-o', 'jsonpath={.status.containerStatuses[0].restartCount}']), '0', 'liveness probes get through')
})

t.test('a change of a policy or of a label takes effect', async t => {
  for (const [allowed, denied] of [['other', 'client'], ['client', 'other']] as const) {
    await cluster.apply(policyYaml(allowed))
    await soon(async () => await wget(allowed) && !await wget(denied))
  }
  await cluster.kubectl(['label', 'pod', '-n', shop, 'other', 'app=client', '--overwrite'])
  await soon(async () => wget('other'))
  await cluster.kubectl(['label', 'pod', '-n', shop, 'other', 'app=other', '--overwrite'])
  await soon(async () => !await wget('other'))
  t.equal(await wget('client'), true)
})

t.test('exec, logs and port-forward work', async t => {
  t.equal((await cluster.exec('web', ['hostname'], { namespace: shop })).trim(), 'web')
  t.equal(await cluster.logs('web', { namespace: shop }), '')
  const forward = spawn('kubectl', [`--kubeconfig=${cluster.kubeconfig}`, 'port-forward', '-n', shop, 'pod/web', ':8080'], { env: { ...process.env, PATH: `/var/lib/lbk/bin:${process.env['PATH']}` } })
  t.teardown(() => { forward.kill() })
  const port = await new Promise<string>(resolve => { forward.stdout.on('data', chunk => { resolve(/:(\d+) ->/.exec(String(chunk))?.[1] ?? '') }) })
  t.equal((await (await fetch(`http://127.0.0.1:${port}/index.html`)).text()).trim(), 'web')
})

t.test('while the API server is away everything goes on, and how old the facts are is told', async t => {
  await cluster.stop('apiserver', 'SIGKILL')
  try {
    await soon(async () => await metric('n1', 'liburna_facts_age_seconds{kind="pods"}') > 1)
    t.equal((await cluster.node('n1').run(['busybox', 'wget', '-qO-', 'http://127.0.0.1:9901/readyz'])).code, 0)
  } finally {
    await cluster.start('apiserver')
  }
  await soon(async () => await metric('n1', 'liburna_facts_age_seconds{kind="pods"}') === 0)
  t.equal(await wget('client'), true)
  t.equal(await wget('other'), false)
})

t.test('when the container runtime comes back it tells of pods again', async t => {
  await cluster.stop('containerd-n2', 'SIGKILL')
  await soon(async () => await metric('n2', 'liburna_runtime_tells_of_pods') === 0)
  await cluster.start('containerd-n2')
  await soon(async () => await metric('n2', 'liburna_runtime_tells_of_pods') === 1)
  t.equal(await wget('client'), true)
})

t.test('without an agent nothing gets through; with the next one it does', async t => {
  const before = await agentOf('n1')
  await cluster.kubectl(['patch', 'daemonset', 'liburna-agent', '-n', system, '-p', JSON.stringify({ spec: { template: { spec: { nodeSelector: { none: 'none' } } } } })])
  await cluster.kubectl(['wait', '--for=delete', `pod/${before}`, '-n', system, '--timeout=60s'])
  t.equal(await wget('client'), false)
  await cluster.kubectl(['patch', 'daemonset', 'liburna-agent', '-n', system, '--type=json', '-p', JSON.stringify([{ op: 'remove', path: '/spec/template/spec/nodeSelector' }])])
  await cluster.waitReady(['daemonset/liburna-agent'], { namespace: system })
  await soon(async () => wget('client'))
  t.equal(await wget('other'), false)
})

t.test('the agents may do at the API server what is written down, and nothing more', async t => {
  const able = async (account: string): Promise<string[]> => {
    const list = await cluster.kubectl(['auth', 'can-i', '--list', '--as', `system:serviceaccount:${account}`])
    return list.split('\n').map(line => line.trim().replace(/\s+/g, ' '))
  }
  const everybody = await able('default:default')
  t.same((await able(`${system}:liburna-agent`)).filter(line => !everybody.includes(line)).sort(), [
    'accesspolicies.liburna.io [] [] [list watch]',
    'accesspolicies.liburna.io/status [] [] [patch]',
    'adminnetworkpolicies.policy.networking.k8s.io [] [] [list watch]',
    'baselineadminnetworkpolicies.policy.networking.k8s.io [] [] [list watch]',
    'clusternetworkpolicies.policy.networking.k8s.io [] [] [list watch]',
    'customresourcedefinitions.apiextensions.k8s.io [] [] [list watch]',
    'events.events.k8s.io [] [] [create patch]',
    'namespaces [] [] [get list watch]',
    'networkpolicies.networking.k8s.io [] [] [list watch]',
    'pods [] [] [get list watch]',
  ])
})

t.test('a namespace that is let go, and then liburna itself, leave nothing behind', async t => {
  await cluster.kubectl(['label', 'namespace', shop, 'liburna.io/enforce-'])
  for (const node of cluster.nodes) await soon(async () => await metric(node.name, 'liburna_workloads{state="captured"}') === 0)
  const leftovers = async (): Promise<string> => {
    const script = 'for n in /run/netns/*; do nsenter --net=$n nft list tables; nsenter --net=$n ip rule show priority 1; done'
    return (await Promise.all(cluster.nodes.map(async node => node.must(['sh', '-c', script])))).join('').split('\n').filter(line => /liburna|fwmark/.test(line)).join('\n')
  }
  t.equal(await leftovers(), '')
  t.equal(await wget('other'), true, 'pods talk as before')
  await cluster.kubectl(['delete', '-k', overlay, '--timeout=120s'], undefined, { withinMs: 150_000 })
  await cluster.remove(world)
  t.equal(await cluster.kubectl(['get', 'all,configmaps,secrets,clusterroles,clusterrolebindings,crd', '-A', '-l', 'app.kubernetes.io/name=liburna', '-o', 'name']), '')
})
