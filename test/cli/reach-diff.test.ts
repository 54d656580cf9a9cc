import t from 'tap'
import { TestFolder } from '../fixtures/folder.ts'
import { dbFrom, webAndDb } from './shop.ts'
import { toolWorld } from './tool-world.ts'

const workloads = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---${webAndDb}`

function folders (t: { teardown: (end: () => void) => unknown }, after: string) {
  const folder = new TestFolder()
  t.teardown(() => { folder[Symbol.dispose]() })
  folder.write('old/workloads.yaml', workloads)
  folder.write('old/deeper/db.yaml', dbFrom('web'))
  folder.write('new/workloads.yaml', workloads)
  folder.write('new/db.yaml', after)
  return folder
}

t.test('reach as a table and as JSON', async t => {
  const folder = folders(t, dbFrom('web'))
  const { said, run } = toolWorld()
  t.equal(await run('reach', '-m', folder.at('old'), 'shop/db'), 0)
  t.equal(said.out, `StatefulSet shop/db

can be reached by
  FROM                 PORTS
  Deployment shop/web  TCP 5432

can reach
  TO                   PORTS
  Deployment shop/web  TCP 8080
  everything outside   every port
`)
  t.equal(await run('reach', '-m', folder.at('old'), 'shop/app=x', '--output', 'json'), 0)
  t.match(JSON.parse(said.out), { workload: 'shop/app=x', reachedBy: [{ peer: 'StatefulSet shop/db' }, { peer: 'Deployment shop/web' }, {}, {}, {}], reaches: [{ peer: 'Deployment shop/web', ports: [{ protocol: 'TCP', low: 8080, high: 8080 }] }, {}, {}, {}] })
})

t.test('diff as a table, Markdown and JSON, with the exit code that was asked for', async t => {
  const folder = folders(t, dbFrom('nobody'))
  const [before, after] = [folder.at('old'), folder.at('new')]
  const { said, run } = toolWorld()
  t.equal(await run('diff', before, after), 0)
  t.equal(said.out, `CHANGE  FROM                 TO                   PORTS     BEFORE, AFTER
closed  Deployment shop/web  StatefulSet shop/db  TCP 5432  allowed ingress by NetworkPolicy shop/db ingress[0]; denied ingress by NetworkPolicy shop/db
0 pairs open, 1 pair closes
`)
  t.equal(await run('diff', before, after, '-o', 'markdown'), 0)
  t.equal(said.out, `### Network policy: 0 pairs open, 1 pair closes

|  | from | to | ports | before, after |
| --- | --- | --- | --- | --- |
| closed | Deployment shop/web | StatefulSet shop/db | TCP 5432 | allowed ingress by NetworkPolicy shop/db ingress\\[0\\]; denied ingress by NetworkPolicy shop/db |
`)
  t.equal(await run('diff', after, before, '--output', 'json'), 0)
  t.match(JSON.parse(said.out), { pairs: { opened: 1, closed: 0 }, groups: [{ change: 'opened', pairs: 1 }], added: [], removed: [] })
  for (const [failOn, closes, opens] of [['opened', 0, 1], ['closed', 1, 0], ['any', 1, 1], ['none', 0, 0]] as const) {
    t.equal(await run('diff', before, after, '--fail-on', failOn), closes, `closed, ${failOn}`)
    t.equal(await run('diff', after, before, '--fail-on', failOn), opens, `opened, ${failOn}`)
    t.equal(await run('diff', before, before, '--fail-on', failOn), 0)
  }
  t.match(said.out, /^nothing opens or closes\n$/)
})

t.test('a stranger\'s names become no markup and steer no terminal', async t => {
  const folder = folders(t, `${dbFrom('web')}---\napiVersion: v1\nkind: Pod\nmetadata: {name: "x](http://evil) <img> @all | \\e[2J", namespace: shop, labels: {app: web}}\nspec: {containers: []}\n`)
  const { said, run } = toolWorld()
  t.equal(await run('diff', folder.at('old'), folder.at('new'), '-o', 'markdown'), 0)
  t.notMatch(said.out, /[^\\][<[|]img|[^\\]\]\(http|\u001B/)
  t.equal(await run('diff', folder.at('old'), folder.at('new')), 0)
  t.notMatch(said.out, /\u001B/)
})

t.test('what cannot be read ends with 2; an invalid policy is told and keeps its subject closed', async t => {
  const folder = folders(t, 'kind: [\n')
  const { said, run } = toolWorld()
  t.equal(await run('diff', folder.at('old'), folder.at('new')), 2)
  t.match(said.err, /db\.yaml:2:1: not YAML/)
  t.equal(await run('reach', '-m', folder.at('none'), 'shop/db'), 2)
  t.match(said.err, /none: cannot be read: ENOENT/)
  t.equal(await run('reach', '-m', folder.at('old'), 'shop/bd'), 2)
  t.match(said.err, /shop\/bd: no such workload is known; did you mean shop\/db\?/)
  folder.write('new/db.yaml', dbFrom('web').replace('sql', '70000'))
  t.equal(await run('diff', folder.at('old'), folder.at('new')), 0)
  t.equal(said.err, 'warning: NetworkPolicy shop/db is invalid: spec.ingress[0].ports[0].port: 1 to 65535 is expected, not 70000\n')
  t.match(said.out, /0 pairs open, 1 pair closes\n$/)
})
