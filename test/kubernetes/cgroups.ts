/**
 * The cgroups of the machines: one subtree each, in every hierarchy that is mounted.
 *
 * A machine sees its subtree as the root (a cgroup namespace), so two kubelets do not take each other's pods for
 * orphans, and every process of a machine can be found, also after a crash. Works with v1, with v2, and with
 * both side by side (hybrid).
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../fixtures/eventually.ts'
import { prefix } from './paths.ts'

export interface Hierarchy {
  /** Where it is mounted on this machine. */
  readonly path: string
  /** Options that mount the same hierarchy again. */
  readonly options: string
  readonly version: 1 | 2
}

/** Daemons live in this child of their machine's subtree: on v2 a cgroup with controllers may hold no process itself. */
export const daemonCgroup = 'system'

export function hierarchies (mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): Hierarchy[] {
  return mountinfo.split('\n').flatMap((line): Hierarchy[] => {
    // proc_pid_mountinfo(5): "... mount point, options, tags - type, source, super options"
    const [left = '', right = ''] = line.split(' - ')
    const path = left.split(' ')[4] ?? ''
    const [type, , options = ''] = right.split(' ')
    if (type === 'cgroup2') return [{ path, options: '', version: 2 }]
    return type === 'cgroup' ? [{ path, options: v1Options(options), version: 1 }] : []
  })
}

/** Makes the subtree of a machine, empty. */
export function makeCgroups (machine: string): void {
  for (const { path, version } of hierarchies()) {
    for (const folder of [join(path, machine), join(path, machine, daemonCgroup)]) {
      mkdirSync(folder, { recursive: true })
      if (version === 1) fillCpuset(folder)
    }
    // To the kernel it is one of many, and it is a whole machine.
    for (const [file, weight] of [['cpu.shares', '8192'], ['cpu.weight', '800']] as const) {
      if (existsSync(join(path, machine, file))) writeFileSync(join(path, machine, file), weight)
    }
    if (version === 2) delegate(path)
  }
}

/** Lets children of a v2 cgroup use the controllers that it has; call it for a machine once nothing is in its own subtree's top. */
export function delegate (folder: string): void {
  const controllers = readFileSync(join(folder, 'cgroup.controllers'), 'utf8').trim().split(' ').filter(name => name !== '')
  if (controllers.length > 0) writeFileSync(join(folder, 'cgroup.subtree_control'), controllers.map(name => `+${name}`).join(' '))
}

/** Shell lines that move the shell itself to a cgroup in every hierarchy. */
export function joinScript (cgroup: string): string {
  return hierarchies().map(({ path }) => `echo $$ >${path}/${cgroup}/cgroup.procs\n`).join('')
}

/** Every process in the cgroups of the cluster: all are ours, whoever started them. */
export function processesInside (): number[] {
  const procs = hierarchies().flatMap(({ path }) => machinesIn(path)).flatMap(foldersUnder)
  return [...new Set(procs.flatMap(folder => linesOf(join(folder, 'cgroup.procs')).map(Number)))]
}

/** Removes all subtrees; they must be empty. The kernel may take a moment to see that. */
export async function removeCgroups (): Promise<void> {
  for (const { path } of hierarchies()) {
    for (const machine of machinesIn(path)) await eventually(() => { removeTree(machine); return true })
  }
}

function removeTree (machine: string): void {
  for (const folder of foldersUnder(machine).reverse()) rmdirSync(folder)
}

function machinesIn (path: string): string[] {
  return readdirSync(path).filter(name => name.startsWith(prefix)).map(name => join(path, name))
}

/** The folder and all below it, parents first. */
function foldersUnder (folder: string): string[] {
  try {
    return [folder, ...readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory()).flatMap(({ name }) => foldersUnder(join(folder, name)))]
  } catch {
    return []
  }
}

/** A new v1 cpuset is empty, and no process can be moved into an empty one. */
function fillCpuset (folder: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const [inherited] = linesOf(join(folder, '..', file))
    if (inherited !== undefined) writeFileSync(join(folder, file), inherited)
  }
}

function v1Options (superOptions: string): string {
  const names = superOptions.split(',').filter(option => !['rw', 'ro', 'xattr'].includes(option) && !option.startsWith('release_agent='))
  return names.some(name => name.startsWith('name=')) ? ['none', ...names].join(',') : names.join(',')
}

function linesOf (file: string): string[] {
  try { return readFileSync(file, 'utf8').split('\n').filter(line => line !== '') } catch { return [] }
}
