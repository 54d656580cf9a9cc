/** liburna as it is installed: our image and our manifests are accepted, start, and may do what is written down. */

import t from 'tap'
import { nodeNames } from './index.ts'
import { openLiburna, Overlay, system } from './liburna/index.ts'

const liburna = await openLiburna(t)
const { cluster } = liburna

t.test('the manifests are as the API server wants them, strictly, also those for nodes without NRI', async t => {
  for (const components of [[], ['without-nri']]) {
    using overlay = new Overlay(components)
    const checked = await cluster.kubectl(['apply', '-k', overlay.folder, '--dry-run=server', '--validate=strict'])
    for (const object of ['daemonset.apps/liburna-agent', 'deployment.apps/liburna-issuer', 'customresourcedefinition.apiextensions.k8s.io/accesspolicies.liburna.io']) t.match(checked, object)
  }
})

t.test('every container runs from its manifest, none was restarted, each agent is ready', async t => {
  const containers = await cluster.kubectl(['get', 'pods', '-n', system, '-o', 'jsonpath={range .items[*].status.containerStatuses[*]}{.name}={.ready},{.restartCount};{end}'])
  t.same(containers.split(';').sort(), ['', 'agent=true,0', 'agent=true,0', 'issuer=true,0', 'issuer=true,0'])
  for (const node of nodeNames) t.equal((await liburna.ask(node, '/readyz')).code, 0)
})

t.test('agents and issuers have the rights in their containers that their manifests name, and no others', async t => {
  const issuer = await statusIn('deployment/liburna-issuer')
  t.match(issuer, { Uid: /^65532\t/, CapEff: '0000000000000000', NoNewPrivs: '1', Seccomp: '2' })
  const agent = await statusIn('daemonset/liburna-agent')
  // linux/capability.h: NET_ADMIN 12, SYS_ADMIN 21, BPF 39.
  t.match(agent, { Uid: /^0\t/, CapEff: (1n << 12n | 1n << 21n | 1n << 39n).toString(16).padStart(16, '0'), NoNewPrivs: '1', Seccomp: '2' })
  for (const workload of ['deployment/liburna-issuer', 'daemonset/liburna-agent']) {
    t.match((await cluster.tryKubectl(['exec', '-n', system, workload, '--', 'touch', '/app/x'])).stderr, /Read-only file system/)
  }
})

/** Fields of /proc/<pid>/status of the first process of a container. */
async function statusIn (workload: string): Promise<Record<string, string>> {
  const text = await cluster.kubectl(['exec', '-n', system, workload, '--', 'cat', '/proc/1/status'])
  return Object.fromEntries(text.split('\n').map(line => line.split(/:\s*/, 2)))
}

/** What a service account may do beyond what every account may, as `kubectl auth can-i --list` has it. */
async function rightsOf (account: string, namespace: string): Promise<string[]> {
  const listOf = async (who: string): Promise<string[]> => {
    const list = await cluster.kubectl(['auth', 'can-i', '--list', '--as', `system:serviceaccount:${who}`, '--namespace', namespace])
    return list.split('\n').slice(1).map(line => line.trim().replace(/\s+/g, ' ')).filter(line => line !== '')
  }
  const everybody = await listOf('default:default')
  return (await listOf(`${system}:${account}`)).filter(line => !everybody.includes(line)).sort()
}

const rightsOfAgents = [
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
]

t.test('an agent may do at the API server what is written down, and nothing more', async t => {
  for (const namespace of [system, 'default']) t.same(await rightsOf('liburna-agent', namespace), rightsOfAgents)
})

t.test('an issuer may do at the API server what is written down, and nothing more', async t => {
  const everywhere = ['namespaces [] [] [get]', 'pods [] [] [get]', 'tokenreviews.authentication.k8s.io [] [] [create]']
  t.same(await rightsOf('liburna-issuer', 'default'), everywhere)
  t.same(await rightsOf('liburna-issuer', system), [
    'configmaps [] [] [create]', 'configmaps [] [liburna-bundle] [get patch]', ...everywhere,
    'secrets [] [] [create]', 'secrets [] [liburna-issuer-roots] [get patch]', 'secrets [] [liburna-issuer-signer] [get patch]',
  ].sort())
})
