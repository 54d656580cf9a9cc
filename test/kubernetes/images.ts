/** Images of a node: how containerd keeps them, and how they get there without a registry. */

import { closeSync, openSync } from 'node:fs'
import type { Machine } from './machine.ts'

/** containerd's ways to keep layers: overlay file systems, or plain copies where the disk cannot carry those. */
export type Snapshotter = 'overlayfs' | 'native'

const choice = '/run/snapshotter'

/** Tries what the machine's disk can do; done once, before its containerd starts. */
export async function chooseSnapshotter (machine: Machine): Promise<Snapshotter> {
  const script = `cd $(mktemp -d -p /var/lib) && mkdir l u w m && mount -t overlay -o lowerdir=$PWD/l,upperdir=$PWD/u,workdir=$PWD/w overlay m && umount m`
  const snapshotter = (await machine.run(['sh', '-c', script])).code === 0 ? 'overlayfs' : 'native'
  await machine.must(['sh', '-c', `echo ${snapshotter} >${choice}`])
  return snapshotter
}

/** Imports an archive (of `docker save`, or OCI) into a node's containerd. */
export async function importImage (machine: Machine, archive: string): Promise<void> {
  const snapshotter = (await machine.must(['cat', choice])).trim()
  // The node has a /tmp and a /var/lib of its own: the archive comes through standard input.
  const inputFd = openSync(archive, 'r')
  try {
    await machine.must(['ctr', '--namespace', 'k8s.io', 'images', 'import', '--local', '--snapshotter', snapshotter, '-'], { inputFd, withinMs: 300_000 })
  } finally {
    closeSync(inputFd)
  }
}
