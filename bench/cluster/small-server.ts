/** The small API server of the tests, filled: the agent cannot tell, and it takes seconds. */

import { FakeApiServer } from '../../test/fixtures/api-server.ts'
import { mark, namespacesOf, podsOf } from './objects.ts'
import type { PodObject, Sizes } from './objects.ts'
import type { FilledCluster } from './filled-cluster.ts'

const paths = { namespaces: '/api/v1/namespaces', pods: '/api/v1/pods' }

export async function fillSmallServer (sizes: Sizes): Promise<FilledCluster> {
  const server = await FakeApiServer.start()
  for (const name of namespacesOf(sizes)) server.put(paths.namespaces, { metadata: { name, labels: { ...mark, 'liburna.io/enforce': 'true', 'kubernetes.io/metadata.name': name } } })
  const pods = podsOf(sizes)
  const put = (pod: PodObject, status: object): void => { server.put(paths.pods, { ...pod, metadata: { ...pod.metadata, uid: uidOf(pod) }, status: { phase: 'Running', ...status } }) }
  for (const pod of pods) put(pod, {})
  return {
    settings: { server: server.url },
    uids: new Map(pods.slice(0, sizes.here).map(pod => [pod.metadata.name, uidOf(pod)])),
    async touch (i, text) { put(pods[sizes.here + i % sizes.elsewhere] ?? pods[0] ?? podsOf({ here: 1, elsewhere: 0 })[0] as PodObject /* one at least */, { message: text }) },
    async [Symbol.asyncDispose] () { await server[Symbol.asyncDispose]() },
  }
}

function uidOf ({ metadata: { namespace, name } }: PodObject): string { return `uid-${namespace}-${name}` }
