/** Where things are on this machine. */

import { homedir } from 'node:os'
import { join } from 'node:path'

/** Prefix of every network namespace and cgroup of the cluster. There is one cluster on a machine. */
export const prefix = 'lbk-'

/** Everything that a running cluster has on disk; gone after `down`. */
export const stateFolder = '/var/lib/lbk'

/** Which processes run, one file each. */
export const pidFolder = join(stateFolder, 'pids')
export const logFolder = join(stateFolder, 'logs')
/** For people and tests; its server is an address of this machine's own loopback. */
export const adminKubeconfig = join(stateFolder, 'admin.kubeconfig')

/** What is worth keeping between two clusters: programs that took minutes to build, the base image. */
export function cacheFolder (env: Readonly<Record<string, string | undefined>> = process.env): string {
  const { XDG_CACHE_HOME: cache = '' } = env
  return join(cache === '' ? join(homedir(), '.cache') : cache, 'liburna')
}
