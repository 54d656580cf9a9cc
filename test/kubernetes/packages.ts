/** Debian packages: what the Go modules do not bring. */

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { ClusterError } from './error.ts'
import { must } from './run.ts'

/** A file of the package, by which it is known to be there, and its name. */
const clusterPackages = {
  '/usr/bin/etcd': 'etcd-server',
  '/usr/sbin/runc': 'runc',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
  '/usr/sbin/iptables': 'iptables',
  '/usr/bin/busybox': 'busybox-static',
  '/usr/bin/nsenter': 'util-linux',
  '/usr/sbin/ip': 'iproute2',
  '/usr/sbin/nft': 'nftables',
  '/usr/sbin/bpftool': 'bpftool',
} as const

const imagePackages = {
  '/usr/bin/buildah': 'buildah',
  '/usr/sbin/debootstrap': 'debootstrap',
} as const

const tables = { cluster: clusterPackages, image: imagePackages }

/** Whoever installs a server package does not want the server; policy-rc.d is Debian's way to say so. */
const policyFile = '/usr/sbin/policy-rc.d'

/** Installs what is missing, and says so. */
export async function needPackages (purpose: keyof typeof tables, say: (text: string) => void): Promise<void> {
  const missing = Object.entries(tables[purpose]).filter(([file]) => !existsSync(file) && !existsSync(file.replace(/^\/usr/, ''))).map(([, name]) => name)
  if (missing.length === 0) return
  if (!existsSync('/usr/bin/apt-get')) throw new ClusterError('no-package', `missing, as Debian names them: ${missing.join(', ')}`)
  say(`installing the Debian packages ${missing.join(', ')}`)
  const ownPolicy = !existsSync(policyFile)
  if (ownPolicy) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    const env = { DEBIAN_FRONTEND: 'noninteractive' }
    await must('apt-get', ['update', '-qq'], { env, withinMs: 300_000 })
    await must('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env, withinMs: 600_000 })
  } catch (error) {
    throw new ClusterError('no-package', `cannot install ${missing.join(', ')}`, { cause: error })
  } finally {
    if (ownPolicy) rmSync(policyFile)
  }
}
