/**
 * Where the API server is and how we prove who we are.
 *
 * A pod needs no client library for that: a token and a root that the kubelet keeps fresh in two files. For everything
 * that a kubeconfig can say @kubernetes/client-node is loaded, and only then: it costs 85 MB of memory.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../lib/error.ts'
import { ClusterError } from '../error.ts'
import type { RequestOptions } from 'node:https'
import type { Clock } from '../../lib/clock.ts'

export interface Credentials {
  /** `https://10.0.0.1:443`, without a path. */
  readonly server: URL
  /** For the next request: roots, certificate, headers. Rejects with ClusterError `credentials`. */
  options (): Promise<RequestOptions>
}

/** Exactly one of the two says something. */
export interface CredentialSettings {
  /** URL of the API server, for a pod with a service account. */
  readonly server: string
  /** Path of a kubeconfig; its current context counts. */
  readonly kubeconfig: string
  /** Folder of the service account's `token` and `ca.crt`. */
  readonly serviceAccount: string
}

/** The kubelet renews a token when a fifth of its hour is left; client-go reads it every minute as well. */
const rereadMs = 60_000

/** Rejects with ClusterError `credentials`. */
export async function openCredentials (settings: CredentialSettings, clock: Clock): Promise<Credentials> {
  if (settings.kubeconfig !== '') return await openKubeconfig(settings.kubeconfig)
  const server = urlOf(settings.server)
  let read: { readonly atMs: number, readonly options: RequestOptions } | undefined
  return {
    server,
    async options () {
      if (read === undefined || clock.monotonic() - read.atMs >= rereadMs) {
        read = { atMs: clock.monotonic(), options: await readServiceAccount(settings.serviceAccount) }
      }
      return read.options
    },
  }
}

async function readServiceAccount (folder: string): Promise<RequestOptions> {
  try {
    const [token, ca] = await Promise.all(['token', 'ca.crt'].map(file => readFile(join(folder, file), 'utf8')))
    return { headers: { Authorization: `Bearer ${(token ?? '').trim()}` }, ca }
  } catch (error) {
    throw new ClusterError(`${folder}: the token or the root of the service account cannot be read`, { code: 'credentials', cause: error })
  }
}

async function openKubeconfig (file: string): Promise<Credentials> {
  try {
    const { KubeConfig } = await import('@kubernetes/client-node')
    const config = new KubeConfig()
    config.loadFromFile(file)
    const cluster = config.getCurrentCluster()
    if (cluster === null) throw new TypeError('it has no current context with a cluster')
    return {
      server: urlOf(cluster.server),
      async options () {
        const options: RequestOptions = { headers: {} }
        await config.applyToHTTPSOptions(options)
        // Our own agent keeps connections; a proxy of the kubeconfig keeps its own.
        if (cluster.proxyUrl === undefined) delete options.agent
        return options
      },
    }
  } catch (error) {
    throw new ClusterError(`${file}: cannot be used as a kubeconfig: ${messageOf(error)}`, { code: 'credentials' })
  }
}

function urlOf (text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) throw new ClusterError(`${JSON.stringify(text)} is no URL of an API server`, { code: 'credentials' })
  return url
}
