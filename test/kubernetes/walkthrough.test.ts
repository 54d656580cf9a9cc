/** The walk-through of daemonset/README.md, line by line, as a new operator types it. */

import t from 'tap'
import { run } from './run.ts'
import { waitFor } from './wait.ts'
import { openLiburna } from './liburna/index.ts'
import { stepsIn } from './liburna/walkthrough.ts'

const liburna = await openLiburna(t)
const { cluster } = liburna
const page = new URL('../../daemonset/README.md', import.meta.url)

/** Pods of different nodes cannot reach each other by their addresses here, as they could in the cluster that the page is about. */
await cluster.kubectl(['cordon', 'n2'])
t.teardown(async () => cluster.kubectl(['uncordon', 'n2']))
t.teardown(async () => cluster.tryKubectl(['delete', '--ignore-not-found', '--grace-period=1', 'networkpolicy/web', 'service/web', 'pod/web', 'pod/client']))
t.teardown(async () => cluster.tryKubectl(['label', 'namespace', 'default', 'liburna.io/enforce-']))

/** There is no name server: the service is called by its address. */
async function withAddress (command: string): Promise<string> {
  if (!command.includes('http://web')) return command
  return command.replaceAll('http://web', `http://${await cluster.kubectl(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])}`)
}

async function typed (command: string): Promise<number> {
  const env = { KUBECONFIG: cluster.kubeconfig, PATH: `${cluster.binFolder}:${process.env['PATH']}` }
  return (await run('bash', ['-o', 'pipefail', '-c', await withAddress(command)], { env, withinMs: 180_000 })).code
}

const steps = stepsIn(page, 'Verify')

t.test('the page has steps of which some work and one is refused', async t => {
  t.equal(steps.length, 13)
  t.same(steps.map(({ remark }) => remark).filter(remark => remark !== ''), ['works', 'refused', 'works'])
})

for (const { command, remark } of steps) {
  t.test(`${command.split('\n')[0]} ${remark}`, async t => {
    const isAsSaid = async (): Promise<boolean> => await typed(command) === 0 === (remark !== 'refused')
    // Policy takes a moment, and nobody types that fast; what changes something is typed once.
    if (remark === '') t.ok(await isAsSaid())
    else await waitFor(isAsSaid, { withinMs: 30_000 })
  })
}
