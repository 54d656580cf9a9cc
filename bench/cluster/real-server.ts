/** A real API server, filled with objects of nodes that are no machines. Everything is removed again. */

import { Api, openCredentials } from '../../src/cluster/index.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { run } from '../../test/kubernetes/run.ts'
import { BenchError } from '../error.ts'
import { elsewhere, here, mark, namespacesOf, podsOf } from './objects.ts'
import type { PodObject, Sizes } from './objects.ts'
import type { FilledCluster } from './filled-cluster.ts'

/** Requests at once. */
const atOnce = 8
/** A namespace's service account comes a moment after it; until then its pods are refused. */
const patienceMs = 60_000

export async function fillRealServer (kubeconfig: string, sizes: Sizes): Promise<FilledCluster> {
  const api = new Api(await openCredentials({ server: '', kubeconfig, serviceAccount: '' }, systemClock))
  const create = async (path: string, body: object): Promise<unknown> => await insist(() => api.request(path, { method: 'POST', body }))
  const remove = async (): Promise<void> => {
    const label = Object.entries(mark).map(([key, value]) => `${key}=${value}`).join(',')
    const { code, stderr } = await run('kubectl', [`--kubeconfig=${kubeconfig}`, 'delete', 'namespaces,nodes', '-l', label, '--wait=true'], { withinMs: 600_000 })
    if (code !== 0) throw new BenchError(`kubectl could not remove what was made: ${stderr}`, { code: 'trial-failed' })
  }
  await remove()
  for (const name of [here, elsewhere]) await create('/api/v1/nodes', { metadata: { name, labels: mark }, spec: { unschedulable: true } })
  await each(namespacesOf(sizes), async name => { await create('/api/v1/namespaces', { metadata: { name, labels: { ...mark, 'liburna.io/enforce': 'true' } } }) })
  const pods = podsOf(sizes)
  const uids = new Map<string, string>()
  await each(pods, async pod => { uids.set(pod.metadata.name, uidIn(await create(pathOf(pod), pod))) })
  return {
    settings: { kubeconfig },
    uids: new Map(pods.slice(0, sizes.here).map(({ metadata: { name } }) => [name, uids.get(name) ?? ''])),
    async touch (i, text) {
      const pod = pods[sizes.here + i % sizes.elsewhere]
      if (pod !== undefined) await api.request(`${pathOf(pod)}/${pod.metadata.name}`, { method: 'PATCH', contentType: 'application/merge-patch+json', body: { metadata: { annotations: { 'example.com/checksum': text } } } })
    },
    async [Symbol.asyncDispose] () {
      api[Symbol.dispose]()
      await remove()
    },
  }
}

function pathOf ({ metadata: { namespace } }: PodObject): string { return `/api/v1/namespaces/${namespace}/pods` }

function uidIn (object: unknown): string {
  return (object as { metadata: { uid: string } }).metadata.uid // an object of the API server
}

async function insist<T> (ask: () => Promise<T>): Promise<T> {
  for (const until = Date.now() + patienceMs; ;) {
    try {
      return await ask()
    } catch (error) {
      if (Date.now() > until) throw error
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
}

async function each<T> (items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values()
  await Promise.all(Array.from({ length: atOnce }, async () => { for (const item of rest) await task(item) }))
}
