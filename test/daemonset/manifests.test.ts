/** What of the manifests has to fit our own code and each other. What the API server thinks of them, test/kubernetes asks it. */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { parseConfig } from '../../src/config.ts'
import { parseIssuerConfig } from '../../src/issuer-config.ts'

const folder = fileURLToPath(new URL('../../daemonset', import.meta.url))

interface Probe { readonly exec: { readonly command: readonly string[] } }
interface Container { readonly args: readonly string[], readonly livenessProbe: Probe, readonly readinessProbe: Probe, readonly startupProbe: Probe, readonly ports?: readonly { readonly name: string, readonly containerPort: number }[] }
/** As far as the tests look at it. */
interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string, readonly namespace?: string, readonly labels?: Readonly<Record<string, string>> }
  readonly data: Readonly<Record<string, string>>
  readonly resources?: readonly string[]
  readonly spec: {
    readonly template: { readonly metadata: { readonly labels: Readonly<Record<string, string>>, readonly annotations: Readonly<Record<string, string>> }, readonly spec: { readonly terminationGracePeriodSeconds: number, readonly containers: readonly [Container] } }
    readonly updateStrategy: { readonly rollingUpdate: { readonly maxSurge: number, readonly maxUnavailable: number } }
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly podMetricsEndpoints: readonly { readonly port?: string, readonly relabelings?: readonly { readonly targetLabel: string, readonly replacement?: string }[] }[]
    readonly podSelector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly ingress: readonly { readonly ports: readonly { readonly port: string }[] }[]
  }
}

function read (file: string): Manifest[] {
  // Our own files; each test looks at what is there.
  return parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map(document => document.toJS() as Manifest)
}

function find (file: string, kind: string, name: string): Manifest {
  const found = read(file).find(manifest => manifest.kind === kind && manifest.metadata.name === name)
  if (found === undefined) throw new Error(`no ${kind} ${name} in ${file}`)
  return found
}

const agent = find('agent.yaml', 'DaemonSet', 'liburna-agent').spec
const issuer = find('issuer.yaml', 'Deployment', 'liburna-issuer').spec
const monitors = { agent: find('podmonitor/podmonitor.yaml', 'PodMonitor', 'liburna-agent').spec, issuer: find('podmonitor/podmonitor.yaml', 'PodMonitor', 'liburna-issuer').spec }
const issuerPorts = issuer.template.spec.containers[0].ports ?? []

const own = parseConfig(find('agent.yaml', 'ConfigMap', 'liburna-agent-config').data['node.yaml'] ?? '', '/etc/liburna/node.yaml', { node: 'n', apiServer: 'https://10.0.0.1:443', issuer: 'https://10.0.0.2:8443', metrics: '[10.0.0.3]:9903', namespace: 'liburna' })

t.test('the settings in the ConfigMaps are right, and both name the same cluster', async t => {
  const authority = parseIssuerConfig(find('issuer.yaml', 'ConfigMap', 'liburna-issuer-config').data['issuer.yaml'] ?? '', '/etc/liburna/issuer.yaml')
  t.same([own.cluster, own.trustDomain], [authority.cluster, authority.trustDomain])
})

t.test('what every agent waits for may start without one', async t => {
  for (const { template } of [agent, issuer]) t.equal(template.metadata.annotations['liburna.io/may-start-alone'], 'true')
})

t.test('an agent may take over from another one of its node, each with probes of its own', async t => {
  t.match(agent.updateStrategy.rollingUpdate, { maxSurge: 1, maxUnavailable: 0 })
  const { terminationGracePeriodSeconds: graceSeconds, containers: [{ livenessProbe, readinessProbe, startupProbe, args }] } = agent.template.spec
  t.ok(graceSeconds * 1000 > own.shutdown.timeoutMs, 'the kubelet waits longer than the agent')
  t.match(livenessProbe.exec.command.join(' '), `${own.admin.health}/alive`)
  t.match(startupProbe.exec.command.join(' '), `${own.admin.health}/alive`)
  t.match(readinessProbe.exec.command.join(' '), `${own.admin.health}/ready`)
  t.ok(args.includes('--namespace=$(POD_NAMESPACE)'), 'and it knows when liburna goes')
})

t.test('scrapers are sent to the port at which metrics are', async t => {
  const [, port] = /^--metrics=\[\$\(NODE_IP\)\]:(\d+)$/m.exec(agent.template.spec.containers[0].args.join('\n')) ?? []
  t.match(agent.template.metadata.annotations, { 'prometheus.io/scrape': 'true', 'prometheus.io/port': port })
  t.equal(agent.template.spec.containers[0].ports, undefined, 'a port of the node\'s network would keep the next agent away')
  const addresses = monitors.agent.podMetricsEndpoints.flatMap(({ relabelings = [] }) => relabelings).filter(({ targetLabel }) => targetLabel === '__address__')
  t.same(addresses.map(({ replacement }) => replacement), [`$1:${port}`, `[$1]:${port}`])
  const health = issuerPorts.find(({ name }) => name === 'health')?.containerPort
  t.match(issuer.template.metadata.annotations, { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(health) })
  t.same(monitors.issuer.podMetricsEndpoints.map(({ port: name }) => name), ['health'])
})

t.test('monitors and network policy select the pods that they are about, by ports that these have', async t => {
  t.same(monitors.agent.selector.matchLabels, agent.template.metadata.labels)
  t.same(monitors.issuer.selector.matchLabels, issuer.template.metadata.labels)
  const { spec } = find('networkpolicy/networkpolicy.yaml', 'NetworkPolicy', 'liburna-issuer')
  t.same(spec.podSelector.matchLabels, issuer.template.metadata.labels)
  const named = spec.ingress.flatMap(({ ports }) => ports.map(({ port }) => port))
  t.same(named.filter(name => !issuerPorts.some(port => port.name === name)), [])
})

t.test('kustomizations name files that are there, and every object says whose it is', async t => {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.yaml')).sort()
  const kustomizations = files.filter(file => file.endsWith('kustomization.yaml'))
  const named = kustomizations.flatMap(file => read(file).flatMap(({ resources = [] }) => resources.map(resource => join(dirname(file), resource))))
  t.same(named.sort(), files.filter(file => !kustomizations.includes(file)))
  const objects = named.flatMap(file => read(file))
  t.same(objects.filter(({ metadata: { labels } }) => labels?.['app.kubernetes.io/name'] !== 'liburna').map(({ metadata: { name } }) => name), [])
})
