/** The tools against the admin server of an agent, over HTTP. */

import t from 'tap'
import { startAdmin } from '../../src/admin/index.ts'
import { fetchJson } from '../../src/cli/tools/fetch-json.ts'
import { socketAddress } from '../../src/model/address.ts'
import { Readiness } from '../../src/observe/index.ts'
import { factsOf } from '../../src/tools/index.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { fakeRecorder, memoryLog } from '../fixtures/recorder.ts'
import { pod } from '../policy/world.ts'
import { record } from '../tools/flow-records.ts'
import { toolWorld } from './tool-world.ts'
import type { FlowRecord } from '../../src/model/flow.ts'
import type { Test } from 'tap'

const hash = 'pod-template-hash'
const http = [{ name: 'http', port: 8080, protocol: 'TCP' }] as const
const sql = [{ name: 'sql', port: 5432, protocol: 'TCP' }] as const

function dbFrom (app: string): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'db', namespace: 'shop' }, spec: { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app } } }], ports: [{ port: 'sql' }] }] } }
}

const wrong = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'wrong', namespace: 'shop' }, spec: { podSelector: { matchLabels: { app: 'x' } }, policyTypes: ['Exgress'] } }

function facts (manifests: readonly object[] = [dbFrom('web')]): object {
  return factsOf({
    home: { trustDomain: 'east.example', cluster: 'east' }, unsignedLabels: [hash],
    identities: [
      pod({ name: 'web-0', labels: { app: 'web', [hash]: 'a1' }, ports: http }), pod({ name: 'web-1', labels: { app: 'web', [hash]: 'a1' }, ports: http }),
      pod({ name: 'db-0', labels: { app: 'db' }, ports: sql }), pod({ name: 'cron-0', labels: { app: 'cron' }, ports: http }),
    ],
    manifests: manifests.map((object, i) => ({ origin: `policies/${i}.yaml:1`, object })),
  })
}

const web = { name: 'web-0', labels: { app: 'web', [hash]: 'a1' } }
const db = { name: 'db-0', labels: { app: 'db' } }
const cron = { name: 'cron-0', labels: { app: 'cron' } }
// As /flows has them; the fields are those of a record.
const flows = [record(web, db, 5432, { flow: 'a' }), record({ ...web, labels: { app: 'web' } }, db, 5432, { flow: 'b' }), record(cron, db, 5432, { verdict: 'denied' })] as FlowRecord[]

/** An agent that serves these, and a folder. */
async function world (t: Test, { told = facts() as unknown, records = flows as readonly FlowRecord[] } = {}) {
  const folder = new TestFolder()
  t.teardown(() => { folder[Symbol.dispose]() })
  const readiness = new Readiness()
  const { metrics } = fakeRecorder()
  const admin = await startAdmin(socketAddress('127.0.0.1', 0), {
    about: { node: 'alpha', cluster: 'east', version: '1.2.3' }, readiness: () => readiness.status(), metrics: () => metrics.text(),
    flows: () => records, facts: () => told, dumps: { connections: () => [], policies: () => [], workloads: () => [] },
  }, memoryLog())
  t.teardown(() => admin.stop())
  return { folder, agent: `http://127.0.0.1:${admin.address.port}`, ...toolWorld({ agent: fetchJson }) }
}

t.test('explain and reach ask the agent', async t => {
  const { agent, said, run } = await world(t)
  t.equal(await run('explain', '-a', agent, 'shop/web-0', 'shop/db-0', 'sql'), 0)
  t.match(said.out, /^Pod shop\/web-0 to Pod shop\/db-0, TCP 5432: ALLOWED\n/)
  t.equal(await run('reach', '--agent', `${agent}/`, 'shop/db-0'), 0, said.err)
  t.equal(said.out, `Pod shop/db-0

can be reached by
  FROM                            PORTS
  Pod shop/web-0, Pod shop/web-1  TCP 5432

can reach
  TO                    PORTS
  every other workload  TCP 8080
  everything outside    every port
`)
})

t.test('diff compares what the agent enforces with a folder, for the same workloads', async t => {
  const { agent, folder, said, run } = await world(t)
  folder.write('next/db.json', JSON.stringify(dbFrom('cron')))
  t.equal(await run('diff', '--agent', agent, folder.at('next'), '--fail-on', 'opened'), 1, said.err)
  t.equal(said.out, `CHANGE  FROM                            TO             PORTS     BEFORE, AFTER
opened  Pod shop/cron-0                 Pod shop/db-0  TCP 5432  denied ingress by NetworkPolicy shop/db; allowed ingress by NetworkPolicy shop/db ingress[0]
closed  Pod shop/web-0, Pod shop/web-1  Pod shop/db-0  TCP 5432  allowed ingress by NetworkPolicy shop/db ingress[0]; denied ingress by NetworkPolicy shop/db
1 pair opens, 2 pairs close
`)
  folder.write('same/db.json', JSON.stringify(dbFrom('web')))
  t.equal(await run('diff', '--agent', agent, folder.at('same'), '--fail-on', 'any'), 0)
  t.equal(said.out, 'nothing opens or closes\n')
})

t.test('diff knows workloads of other nodes from the folder; labels of namespaces are those of the agent', async t => {
  const { agent, folder, said, run } = await world(t)
  folder.write('next/db.json', JSON.stringify({ ...dbFrom('x'), spec: { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'a' } } }] }] } }))
  folder.write('next/elsewhere.json', JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'shop' }, spec: { template: { metadata: { labels: { app: 'web' } }, spec: { containers: [] } } } }))
  folder.write('next/pod.json', JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-0', namespace: 'shop', labels: { app: 'other' } }, spec: { containers: [] } }))
  folder.write('next/namespace.json', JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'a' } } }))
  t.equal(await run('diff', '--agent', agent, folder.at('next'), '-o', 'json'), 0, said.err)
  t.match(JSON.parse(said.out), { pairs: { opened: 0, closed: 3 }, groups: [{ change: 'closed', sources: ['Deployment shop/web', 'Pod shop/web-0', 'Pod shop/web-1'] }], added: [], removed: [] })
})

t.test('simulate takes flows and today\'s policies from the agent', async t => {
  const { agent, folder, said, run } = await world(t)
  folder.write('next/db.json', JSON.stringify(dbFrom('cron')))
  t.equal(await run('simulate', '--agent', agent, '--proposed', folder.at('next'), '--fail-on', 'opened', '-o', 'json'), 1, said.err)
  t.match(JSON.parse(said.out), { connections: 3, otherThanRecorded: 0, changes: [{ change: 'closed', source: 'shop/app=web', connections: 2 }, { change: 'opened', source: 'shop/app=cron', connections: 1 }] })
  const file = folder.write('flows.jsonl', `${JSON.stringify(flows[2])}\n`)
  t.equal(await run('simulate', '--agent', agent, '--flows', file, '--proposed', folder.at('next')), 0)
  t.match(said.out, /1 connection of 1 would change/)
})

t.test('suggest takes flows and workloads from the agent; replicas that took no part are no others', async t => {
  const { agent, folder, said, run } = await world(t)
  t.equal(await run('suggest', '--agent', agent, '-o', 'json'), 0, said.err)
  t.match(JSON.parse(said.out), { policies: [
    { kind: 'NetworkPolicy', metadata: { name: 'suggested-db' }, spec: { podSelector: { matchLabels: { app: 'db' } } } },
    { kind: 'NetworkPolicy', metadata: { name: 'suggested-web' }, spec: { podSelector: { matchLabels: { app: 'web' } } } },
  ], alsoAllowed: [], notAllowed: [] })
  t.equal(await run('suggest', '--agent', agent), 0)
  folder.write('next/policies.yaml', said.out)
  t.equal(await run('simulate', '--agent', agent, '--proposed', folder.at('next')), 0)
  t.match(said.out, /^0 connections of 3 would change\n/)
})

t.test('validate tells what is wrong with what the agent enforces, and nothing that other nodes could refute', async t => {
  const { agent, said, run } = await world(t, { told: facts([dbFrom(hash), dbFrom('nobody'), wrong]) })
  t.equal(await run('validate', '--agent', agent), 2)
  t.match(said.out, /policies\/2\.yaml:1: error: NetworkPolicy shop\/wrong spec\.policyTypes\[0\]: /)
  t.notMatch(said.out, /none of the workloads/)
  t.match(said.out, /4 workloads: /)
  const fine = await world(t)
  t.equal(await fine.run('validate', '-a', fine.agent, '--strict'), 0)
  t.equal(fine.said.out, '1 policy, 4 workloads: 0 errors, 0 warnings\n')
})

const commands = (agent: string, folder: string): readonly (readonly string[])[] => [
  ['explain', '-a', agent, 'shop/web-0', 'shop/db-0', '1'], ['reach', '-a', agent, 'shop/db-0'], ['diff', '-a', agent, folder],
  ['simulate', '-a', agent, '--proposed', folder], ['suggest', '-a', agent], ['validate', '-a', agent],
]

t.test('an agent that cannot be asked ends every command with 1', async t => {
  const { folder, said, run } = await world(t)
  const starting = await world(t, { told: {} })
  folder.write('next/db.json', JSON.stringify(dbFrom('web')))
  for (const argv of commands('http://127.0.0.1:1', folder.at('next'))) {
    t.equal(await run(...argv), 1, argv.join(' '))
    t.match(said.err, /^liburna: http:\/\/127\.0\.0\.1:1\/facts: cannot be asked: /)
  }
  for (const argv of commands(starting.agent, folder.at('next'))) {
    t.equal(await starting.run(...argv), 1, argv.join(' '))
    t.match(starting.said.err, /^liburna: http:\S+\/facts: the agent is starting and knows nothing yet\n$/)
  }
})

t.test('answers that are none end with 2, and so do no flows', async t => {
  const { folder, agent, said, run } = await world(t, { records: [] })
  folder.write('next/db.json', JSON.stringify(dbFrom('web')))
  t.equal(await run('suggest', '-a', agent), 2)
  t.equal(said.err, `liburna: ${agent}/flows: there is no record\n`)
  const other = await world(t, { told: { cluster: 5 } })
  for (const argv of commands(other.agent, folder.at('next'))) {
    t.equal(await other.run(...argv), 2, argv.join(' '))
    t.match(other.said.err, /^liburna: the agent does not tell its /)
  }
})

t.test('each command says what it needs', async t => {
  const { folder, agent, said, run } = await world(t)
  const path = folder.path
  for (const argv of [
    ['reach', 'x'], ['reach', 'x', '-m', path, '-a', agent], ['diff', path], ['diff', '-a', agent, path, path], ['diff', path, path, path], ['validate'], ['validate', path, '-a', agent],
    ['simulate', '--proposed', path], ['simulate', '--proposed', path, '--today', path], ['simulate', '--proposed', path, '--today', path, '-a', agent], ['suggest'], ['suggest', '-m', path],
  ]) {
    t.equal(await run(...argv), 2, argv.join(' '))
    t.match(said.err, /^error: .* needed/)
  }
})
