/**
 * What an agent costs in clusters of several sizes: `node bench/cluster/main.ts`, as root.
 *
 * The node has 30 pods, the rest of the cluster 50 or 5,000 (`--elsewhere`), of which some change all the time. What the
 * agent needs has to go by its node, not by the cluster. With `--kubeconfig FILE` the objects are made in a real API
 * server (`npm run cluster` starts one) and removed again; without, in the small one of the tests.
 */

import { parseArgs } from 'node:util'
import { measureAgent } from './agent.ts'
import { fillRealServer } from './real-server.ts'
import { fillSmallServer } from './small-server.ts'

const { values: { kubeconfig, ...given } } = parseArgs({ options: {
  here: { type: 'string', default: '30' },
  elsewhere: { type: 'string', multiple: true, default: ['50', '5000'] },
  churn: { type: 'string', default: '50' },
  seconds: { type: 'string', default: '20' },
  kubeconfig: { type: 'string' },
} })

console.log('| pods here | pods elsewhere | CPU to start, ms | resident, MB | CPU while others change, ms/s | resident after it, MB |\n|---|---|---|---|---|---|')
for (const elsewhere of given.elsewhere.map(Number)) {
  const sizes = { here: Number(given.here), elsewhere }
  await using cluster = await (kubeconfig === undefined ? fillSmallServer(sizes) : fillRealServer(kubeconfig, sizes))
  const cost = await measureAgent(cluster, { churnPerSecond: Number(given.churn), seconds: Number(given.seconds) })
  console.log(`| ${[sizes.here, elsewhere, cost.startCpuMs.toFixed(0), cost.residentMb.toFixed(0), cost.churnCpuMsPerSecond.toFixed(1), cost.afterChurnMb.toFixed(0)].join(' | ')} |`)
}
