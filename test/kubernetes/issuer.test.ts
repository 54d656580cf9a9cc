/** The issuer against a real API server: real tokens, real TokenReview, its own permissions and no others. */

import { createPrivateKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Agent } from 'undici'
import { startIssuer } from '../../src/issuer-app.ts'
import { parseIssuerConfig } from '../../src/issuer-config.ts'
import { FileTrust, verifyChain } from '../../src/identity/index.ts'
import { certificatesPath, RemoteIssuer } from '../../src/issuer/index.ts'
import { encodeRequest } from '../../src/issuer/messages.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { formatSocketAddress } from '../../src/model/address.ts'
import { identityOf, p256 } from '../fixtures/authority.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import { accountIn } from './account.ts'
import { busyboxImage, openCluster } from './index.ts'
import { stateFolder } from './paths.ts'
import type { KeyObject } from 'node:crypto'
import type { IssuerConfig } from '../../src/issuer-config.ts'
import type { Identity } from '../../src/model/workload.ts'

// Building everything for the first time is part of it.
t.setTimeout(3_600_000)

const cluster = await openCluster({ say: text => { t.comment(text) } })
t.teardown(async () => cluster[Symbol.asyncDispose]())
const folder = new TestFolder()
t.teardown(() => { folder[Symbol.dispose]() })

/** Not the usual one: liburna itself may be installed in this cluster. */
const namespace = 'issuer-test'
const shop = 'issuer-test-shop'
const manifest = readFileSync(new URL('../../daemonset/issuer.yaml', import.meta.url), 'utf8').replaceAll('namespace: liburna\n', `namespace: ${namespace}\n`)
/** All of the manifest but what runs: that is started here, in this process, with the service account of the manifest. */
const permissions = manifest.split(/^---$/m).filter(part => /^kind: (?:ServiceAccount|ClusterRole|ClusterRoleBinding|Role|RoleBinding)$/m.test(part))
  .map(part => part.includes('kind: ClusterRole') ? part.replace(/^  name: liburna-issuer$/gm, '  name: liburna-issuer-test') : part).join('---\n')

const world = `---
apiVersion: v1
kind: Namespace
metadata: {name: ${namespace}}
---
apiVersion: v1
kind: Namespace
metadata: {name: ${shop}, labels: {team: shop}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: liburna-agent, namespace: ${namespace}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: ${shop}}
`

function podYaml (name: string, node: string, { inNamespace = shop, account = 'web', more = '' } = {}): string {
  return `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${inNamespace}, labels: {app: ${name}, tier: front}}
spec:
  nodeName: ${node}
  serviceAccountName: ${account}
  terminationGracePeriodSeconds: 0
  ${more}
  volumes: [{name: token, projected: {sources: [{serviceAccountToken: {audience: liburna-issuer, path: token, expirationSeconds: 600}}]}}]
  containers: [{name: main, image: "${busyboxImage}", imagePullPolicy: Never, command: [sleep, "100000"], ports: [{name: http, containerPort: 8080}], volumeMounts: [{name: token, mountPath: /var/run/liburna}]}]
`
}

const pods = podYaml('agent-n1', 'n1', { inNamespace: namespace, account: 'liburna-agent' }) + podYaml('agent-n2', 'n2', { inNamespace: namespace, account: 'liburna-agent' }) +
  podYaml('near', 'n1') + podYaml('far', 'n2') + podYaml('host', 'n1', { more: 'hostNetwork: true' })

await cluster.remove(pods)
await cluster.apply(world)
await cluster.apply(permissions)
await cluster.apply(pods)
t.teardown(async () => { await cluster.remove(pods + permissions + world) })
await cluster.waitReady(['pod/agent-n1', 'pod/agent-n2'], { namespace })
await cluster.waitReady(['pod/near', 'pod/far', 'pod/host'], { namespace: shop })

const config = await configOf()
const log = memoryLog()
const issuer = await startIssuer(config, { version: 'test', log })
t.teardown(async () => issuer.stop())
folder.write('bundle.pem', await cluster.kubectl(['get', 'configmap', 'liburna-bundle', '--namespace', namespace, '-o', 'jsonpath={.data.bundle\\.pem}']))
const trust = new FileTrust([folder.at('bundle.pem')], systemClock)

async function configOf (): Promise<IssuerConfig> {
  const { server, serviceAccount } = await accountIn(folder, cluster, namespace, 'liburna-issuer')
  return parseIssuerConfig(`cluster: east\ntrustDomain: east.example\nnamespace: ${namespace}\nagents: [${namespace}/liburna-agent]\nlisten: 127.0.0.1:0\nbundle: {listen: "127.0.0.1:0"}\nhealth: {listen: "127.0.0.1:0"}
kubernetes: {server: "${server}", serviceAccount: ${serviceAccount}}\n`, folder.at('issuer.yaml'))
}

async function tokenOf (pod: string, inNamespace = namespace): Promise<string> {
  return (await cluster.exec(pod, ['cat', '/var/run/liburna/token'], { namespace: inNamespace })).trim()
}

async function identityOfPod (name: string, inNamespace = shop): Promise<Identity> {
  const uid = await cluster.kubectl(['get', 'pod', name, '--namespace', inNamespace, '-o', 'jsonpath={.metadata.uid}'])
  return identityOf({ name, uid, namespace: inNamespace, labels: { app: 'what the agent claims' } })
}

async function ask (token: string, identity: Identity): Promise<readonly Uint8Array[]> {
  const keys = p256()
  await using client = new RemoteIssuer({ url: `https://${formatSocketAddress(issuer.addresses.agents)}`, tokenFile: folder.write('token', token), spiffeId: { trustDomain: 'east.example', namespace, serviceAccount: 'liburna-issuer' } }, trust, systemClock)
  return await client.issue(identity, keys.publicKey, 3_600_000, AbortSignal.timeout(20_000), statement => sign('sha256', statement, keys.privateKey))
}

t.test('an agent of the node gets what the API server says of the pod', async t => {
  const verdict = verifyChain(await ask(await tokenOf('agent-n1'), await identityOfPod('near')), trust.bundles(), Date.now())
  if (!verdict.ok) return t.fail(verdict.message)
  t.same(verdict.identity.spiffeId, { trustDomain: 'east.example', namespace: shop, serviceAccount: 'web' })
  t.match(verdict.identity.attributes, { cluster: 'east', name: 'near', labels: { app: 'near', tier: 'front' }, namespaceLabels: { 'team': 'shop', 'kubernetes.io/metadata.name': shop }, ports: [{ name: 'http', port: 8080 }] })
  t.match(verdict.identity.attributes.images, [/^sha256:[0-9a-f]{64}$/])
})

t.test('a relabelled pod is signed as it is now', async t => {
  const token = await tokenOf('agent-n1')
  await cluster.kubectl(['label', 'pod', 'near', '--namespace', shop, '--overwrite', 'tier=back'])
  t.match(verifyChain(await ask(token, await identityOfPod('near')), trust.bundles(), Date.now()), { identity: { attributes: { labels: { tier: 'back' } } } })
})

/** How often requests for certificates have ended like this, as `/metrics` tells it. */
async function counted (result: string): Promise<number> {
  const text = await (await fetch(`http://${formatSocketAddress(issuer.addresses.health)}/metrics`)).text()
  return Number(text.split('\n').find(line => line.startsWith('liburna_issuer_request_seconds_count') && line.includes(`path="${certificatesPath}"`) && line.includes(`result="${result}"`))?.split(' ').at(-1) ?? 0)
}

t.test('what a real TokenReview and a real node refuse is logged and counted', async t => {
  const [good, near] = [await tokenOf('agent-n1'), await identityOfPod('near')]
  for (const [what, token, identity, code] of [
    ['a pod of the other node', good, await identityOfPod('far'), 'other-node'],
    ['the other node\'s agent for a pod of this one', await tokenOf('agent-n2'), near, 'other-node'],
    ['a pod that is its node', good, await identityOfPod('host'), 'host-network'],
    ['another uid', good, { ...near, attributes: { ...near.attributes, uid: 'b5f3f4ac-0000-0000-0000-000000000000' } }, 'no-such-pod'],
    ['a token of another audience', (await cluster.exec('agent-n1', ['cat', '/var/run/secrets/kubernetes.io/serviceaccount/token'], { namespace })).trim(), near, 'wrong-audience'],
    ['an expired token, signed by the cluster', resigned(good, { exp: Math.floor(Date.now() / 1000) - 60 }), near, 'token-expired'],
    ['a token with another node, not signed by the cluster', resigned(good, {}, p256().privateKey), near, 'token-rejected'],
    ['a token of no pod', (await cluster.kubectl(['create', 'token', 'liburna-agent', '--namespace', namespace, '--audience', 'liburna-issuer'])).trim(), near, 'not-bound'],
    ['a token of a workload', await tokenOf('near', shop), near, 'not-an-agent'],
  ] as const) {
    const before = await counted(code)
    await t.rejects(ask(token, identity), { code: 'issuer-refused', message: new RegExp(`: ${code} `) }, what)
    t.equal(lastRefusal(), code, what)
    t.equal(await counted(code), before + 1, what)
  }
})

function lastRefusal (): unknown {
  return log.lines.findLast(({ message }) => message === 'request refused')?.fields['refusal']
}

t.test('an agent that says itself what is to be signed is refused, logged and counted', async t => {
  const [token, { attributes }, keys, before] = [await tokenOf('agent-n1'), await identityOfPod('near'), p256(), await counted('unknown-field')]
  const honest = JSON.parse(encodeRequest(attributes, keys.publicKey, 3_600_000, statement => sign('sha256', statement, keys.privateKey))) as { pod: object } // our own form
  const labels = { app: 'admin' }
  for (const forged of [{ ...honest, labels }, { ...honest, pod: { ...honest.pod, labels } }, { ...honest, spiffeId: `spiffe://east.example/ns/${shop}/sa/admin` }]) {
    t.equal(await post(token, JSON.stringify(forged)), 400)
    t.equal(lastRefusal(), 'unknown-field')
  }
  t.equal(await counted('unknown-field'), before + 3)
  t.equal(await post(token, JSON.stringify(honest)), 200, 'without the additions it is a good request')
})

/** Sends a body of one's own; resolves with the status. */
async function post (token: string, body: string): Promise<number> {
  // Who answers is not what this is about.
  const agent = new Agent({ connect: { rejectUnauthorized: false } })
  try {
    const { statusCode, body: answer } = await agent.request({ origin: `https://${formatSocketAddress(issuer.addresses.agents)}`, path: certificatesPath, method: 'POST', body, headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' } })
    await answer.dump()
    return statusCode
  } finally {
    await agent.destroy()
  }
}

t.test('a token whose pod was deleted is worth nothing', async t => {
  const extra = podYaml('agent-gone', 'n1', { inNamespace: namespace, account: 'liburna-agent' })
  await cluster.apply(extra)
  await cluster.waitReady(['pod/agent-gone'], { namespace })
  const token = await tokenOf('agent-gone')
  await cluster.remove(extra)
  await t.rejects(ask(token, await identityOfPod('near')), { code: 'issuer-refused', message: /token-rejected|agent-gone/ })
})

t.test('replicas that start at once on empty Secrets agree', async t => {
  await cluster.kubectl(['delete', 'secret', 'liburna-issuer-roots', 'liburna-issuer-signer', '--namespace', namespace])
  await cluster.kubectl(['delete', 'configmap', 'liburna-bundle', '--namespace', namespace])
  const replicas = await Promise.all([1, 2, 3].map(() => startIssuer(config, { version: 'test', log: memoryLog() })))
  await Promise.all(replicas.map(replica => replica.stop()))
  const roots = JSON.parse(Buffer.from(await cluster.kubectl(['get', 'secret', 'liburna-issuer-roots', '--namespace', namespace, '-o', 'jsonpath={.data.roots\\.json}']), 'base64').toString()) as { roots: unknown[] } // our own form
  t.equal(roots.roots.length, 1)
  const pem = await cluster.kubectl(['get', 'configmap', 'liburna-bundle', '--namespace', namespace, '-o', 'jsonpath={.data.bundle\\.pem}'])
  t.equal(pem.match(/BEGIN CERTIFICATE/g)?.length, 1)
})

t.test('what somebody has written into the bundle is taken out again', async t => {
  await cluster.kubectl(['patch', 'configmap', 'liburna-bundle', '--namespace', namespace, '--type', 'merge', '--patch', '{"data":{"bundle.pem":"nonsense","more":"x"}}'])
  const replica = await startIssuer(config, { version: 'test', log: memoryLog() })
  await replica.stop()
  const { data } = await cluster.get(['configmap', 'liburna-bundle', '--namespace', namespace]) as { data: Record<string, string> } // a ConfigMap
  t.same(Object.keys(data).sort(), ['bundle.json', 'bundle.pem'])
  t.match(data['bundle.pem'], /^-----BEGIN CERTIFICATE-----/)
})

t.test('the service account may do what its manifest says, and nothing more', async t => {
  const listOf = async (account: string): Promise<string[]> => {
    const list = await cluster.kubectl(['auth', 'can-i', '--list', '--as', `system:serviceaccount:${account}`, '--namespace', namespace])
    return list.split('\n').slice(1).map(line => line.trim().replace(/\s+/g, ' ')).filter(line => line !== '').sort()
  }
  const everybody = await listOf(`${shop}:default`)
  const ours = (await listOf(`${namespace}:liburna-issuer`)).filter(line => !everybody.includes(line))
  t.same(ours, [
    'configmaps [] [] [create]', 'configmaps [] [liburna-bundle] [get patch]',
    'namespaces [] [] [get]', 'pods [] [] [get]',
    'secrets [] [] [create]', 'secrets [] [liburna-issuer-roots] [get patch]', 'secrets [] [liburna-issuer-signer] [get patch]',
    'tokenreviews.authentication.k8s.io [] [] [create]',
  ])
  const can = async (...what: string[]): Promise<string> => (await cluster.tryKubectl(['auth', 'can-i', ...what, '--as', `system:serviceaccount:${namespace}:liburna-issuer`])).stdout.trim()
  t.equal(await can('list', 'pods', '--all-namespaces'), 'no')
  t.equal(await can('get', 'secrets', '--namespace', shop), 'no')
  t.equal(await can('get', 'secret/other', '--namespace', namespace), 'no')
})

t.test('the whole manifest is accepted by the API server, strictly', async t => {
  t.match(await cluster.kubectl(['apply', '--dry-run=server', '--validate=strict', '-f', '-'], manifest), /deployment\.apps\/liburna-issuer/)
})

/** The token with other claims, signed again: by the cluster's own key unless told otherwise. */
function resigned (token: string, change: object, key: KeyObject = createPrivateKey(readFileSync(join(stateFolder, 'cp/run/kubernetes/sa.key')))): string {
  const [header = '', payload = ''] = token.split('.')
  const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()) as object, ...change } // a JWT holds a map
  const signed = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}
