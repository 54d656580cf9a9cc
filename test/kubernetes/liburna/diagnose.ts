/** What a person needs to see when a test in the cluster has failed. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { binFolder } from '../up.ts'
import type { Cluster } from '../cluster.ts'

const system = ['-n', 'liburna']
const questions: readonly (readonly string[])[] = [
  ['get', 'nodes,pods', '-A', '-o', 'wide'],
  ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
  ['logs', ...system, '-l', 'app.kubernetes.io/component=agent', '--prefix', '--tail=60'],
  ['logs', ...system, '-l', 'app.kubernetes.io/component=issuer', '--prefix', '--tail=20'],
]
const mostLines = 80

/** Lines about nodes, pods, events and logs. Synchronous: a test that ends does not wait. */
export function diagnose (cluster: Cluster): string[] {
  return questions.flatMap(question => {
    const { stdout, stderr } = spawnSync(join(binFolder(), 'kubectl'), [`--kubeconfig=${cluster.kubeconfig}`, '--request-timeout=5s', ...question], { encoding: 'utf8', timeout: 20_000 })
    const lines = `${stdout}${stderr}`.trimEnd().split('\n')
    return [`$ kubectl ${question.join(' ')}`, ...lines.slice(-mostLines).map(line => `  ${line.slice(0, 600)}`)]
  })
}
