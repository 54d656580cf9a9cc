import t from 'tap'
import { record } from '../tools/flow-records.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { toolWorld } from './tool-world.ts'

const web = { labels: { app: 'web' } }
const db = { labels: { app: 'db' } }
const records = [record(web, db, 5432, { flow: 'a' }), record(web, db, 5432, { flow: 'b' }), record({ labels: { app: 'cron' } }, db, 5432, { verdict: 'denied' })]
const lines = records.map(one => `${JSON.stringify(one)}\n`).join('')
const dbFrom = (app: string): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: ${app}}}}]}]}
`

function folders (t: { teardown: (end: () => void) => unknown }) {
  const folder = new TestFolder()
  t.teardown(() => { folder[Symbol.dispose]() })
  folder.write('today/db.yaml', dbFrom('web'))
  folder.write('proposed/db.yaml', dbFrom('cron'))
  folder.write('flows.jsonl', lines)
  return folder
}

t.test('simulate as a table and as JSON, with the exit code that was asked for', async t => {
  const folder = folders(t)
  const { said, run } = toolWorld()
  const files = ['--flows', folder.at('flows.jsonl'), '--today', folder.at('today'), '--proposed', folder.at('proposed')]
  t.equal(await run('simulate', ...files), 0)
  t.equal(said.out, `CHANGE  FROM           TO           PORT      SEEN  LAST                      BEFORE; AFTER
closed  shop/app=web   shop/app=db  TCP 5432  2     2026-11-20T10:00:00.000Z  egress allow by default, ingress allow by NetworkPolicy shop/db ingress[0]; ingress deny by NetworkPolicy shop/db
opened  shop/app=cron  shop/app=db  TCP 5432  1     2026-11-20T10:00:00.000Z  ingress deny by NetworkPolicy shop/db; egress allow by default, ingress allow by NetworkPolicy shop/db ingress[0]
3 connections of 3 would change
`)
  t.equal(await run('simulate', ...files, '-o', 'json'), 0)
  t.match(JSON.parse(said.out), { connections: 3, otherThanRecorded: 0, changes: [{ change: 'closed' }, { change: 'opened' }], unused: { today: [], proposed: [] } })
  for (const [failOn, code] of [['opened', 1], ['closed', 1], ['any', 1], ['none', 0]] as const) t.equal(await run('simulate', ...files, '--fail-on', failOn), code)
  t.equal(await run('simulate', ...files.slice(0, 4), '--proposed', folder.at('today'), '--fail-on', 'any'), 0)
})

t.test('suggest writes YAML with the evidence, and what has to be known beside it', async t => {
  const folder = folders(t)
  const { said, run } = toolWorld()
  t.equal(await run('suggest', '--flows', folder.at('flows.jsonl')), 0)
  t.equal(said.out, `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: suggested-db
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: db
  policyTypes:
    - Ingress
    - Egress
  ingress:
    # from shop/app=web on TCP 5432: 2 connections, 2026-11-20T10:00:00.000Z to 2026-11-20T10:00:00.000Z, such as a, b
    - from:
        - podSelector:
            matchLabels:
              app: web
      ports:
        - protocol: TCP
          port: 5432
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: suggested-web
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes:
    - Ingress
    - Egress
  egress:
    # to shop/app=db on TCP 5432: 2 connections, 2026-11-20T10:00:00.000Z to 2026-11-20T10:00:00.000Z, such as a, b
    - to:
        - podSelector:
            matchLabels:
              app: db
      ports:
        - protocol: TCP
          port: 5432
`)
  t.equal(said.err, `2 policies; among the parties that are known nothing else is allowed
note: records hold TCP only: where a CNI enforces these policies too, egress closes UDP, and with it DNS; --allow-dns adds a rule for it
`)
})

t.test('what suggest writes is right for validate, and simulate finds nothing that changes', async t => {
  const folder = folders(t)
  const { said, run } = toolWorld()
  t.equal(await run('suggest', '-f', folder.at('flows.jsonl'), '-m', folder.at('today'), '--include-denied', '--allow-dns'), 0)
  folder.write('suggested/policies.yaml', said.out)
  t.equal(await run('validate', folder.at('suggested'), '--strict'), 0, said.out)
  t.equal(await run('simulate', '-f', folder.at('flows.jsonl'), '--today', folder.at('suggested'), '--proposed', folder.at('suggested')), 0)
  t.match(said.out, /0 connections of 3 would change\n1 connection would be judged by today's policies otherwise than recorded/)
})

t.test('suggest as a table and as JSON', async t => {
  const folder = folders(t)
  const { said, run } = toolWorld()
  t.equal(await run('suggest', '-f', folder.at('flows.jsonl'), '-o', 'table', '--no-egress'), 0)
  t.equal(said.out, `POLICY                           RULE        ALLOWS                         SEEN  FIRST                     LAST
NetworkPolicy shop/suggested-db  ingress[0]  from shop/app=web on TCP 5432  2     2026-11-20T10:00:00.000Z  2026-11-20T10:00:00.000Z
2 policies; among the parties that are known nothing else is allowed
`)
  t.equal(await run('suggest', '-f', folder.at('flows.jsonl'), '-o', 'json'), 0)
  t.match(JSON.parse(said.out), { policies: [{ kind: 'NetworkPolicy' }, { kind: 'NetworkPolicy' }], evidence: [{ connections: 2 }, { connections: 2 }], alsoAllowed: [], notAllowed: [], notes: [/DNS/] })
})

t.test('records from the admin server are a list; wrong ones are told by their line', async t => {
  const listed = toolWorld({ input: JSON.stringify(records) })
  t.equal(await listed.run('suggest', '-f', '-'), 0)
  t.match(listed.said.out, /suggested-db/)
  const wrong = toolWorld({ input: `${lines}{"time": 1}\n` })
  t.equal(await wrong.run('suggest', '-f', '-'), 2)
  t.equal(wrong.said.err, 'liburna: -: record on line 4: source: an object is expected\n')
  const empty = toolWorld()
  t.equal(await empty.run('suggest', '-f', '-'), 2)
  t.equal(empty.said.err, 'liburna: -: there is no record\n')
})
