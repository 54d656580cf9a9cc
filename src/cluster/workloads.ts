/** From what is written of a workload to what is known of it. Pure. */

import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { namespaceNameLabel } from '../model/labels.ts'
import { modeOf } from '../model/mode.ts'
import type { Labels } from '../model/labels.ts'
import type { AskedMode } from '../model/mode.ts'
import type { NamedPort, Owner } from '../model/workload.ts'
import type { ClusterChange, Exclusions, LocalWorkload } from './source.ts'

/** One entry of `workloads` in node.yaml, checked. */
export interface WorkloadSettings {
  readonly netns: string
  readonly namespace: string
  readonly name: string
  readonly serviceAccount: string
  /** Empty: one is derived from names that do not change. */
  readonly uid: string
  readonly labels: Labels
  readonly ports: readonly NamedPort[]
  readonly owner: Owner | undefined
  readonly images: readonly string[]
  readonly mode: AskedMode
  readonly exclude: Exclusions
}

/** One entry of `namespaces` in node.yaml, checked. */
export interface NamespaceSettings {
  readonly labels: Labels
  readonly mode: AskedMode
}

/** The part of node.yaml that a running agent follows. */
export interface DirectorySettings {
  /** One that is not listed has only its name label. */
  readonly namespaces: Readonly<Record<string, NamespaceSettings>>
  readonly workloads: readonly WorkloadSettings[]
}

/** Where a workload lives, which does not change while the agent runs. */
export interface Place {
  readonly node: string
  readonly cluster: string
  readonly trustDomain: string
  /** What the node says of all its workloads. */
  readonly mode: AskedMode
}

/** The workloads of the settings, sorted by key. Keys are unique because the settings were checked. */
export function toLocalWorkloads (settings: DirectorySettings, place: Place): LocalWorkload[] {
  return settings.workloads
    .map(workload => toLocalWorkload(workload, settings.namespaces[workload.namespace] ?? unlisted, place))
    .sort((a, b) => a.key < b.key ? -1 : 1)
}

const unlisted: NamespaceSettings = { labels: {}, mode: 'unset' }

function toLocalWorkload (settings: WorkloadSettings, of: NamespaceSettings, place: Place): LocalWorkload {
  const { namespace, name, serviceAccount, labels, ports, owner, images } = settings
  const uid = settings.uid === '' ? derivedUid(place, namespace, name) : settings.uid
  return {
    key: `${namespace}/${name}`,
    netns: settings.netns,
    exclude: settings.exclude,
    mode: modeOf([place.mode, of.mode, settings.mode]),
    identity: {
      spiffeId: { trustDomain: place.trustDomain, namespace, serviceAccount },
      attributes: {
        cluster: place.cluster, namespace, name, uid, owner, labels, ports, images,
        namespaceLabels: { ...of.labels, [namespaceNameLabel]: namespace },
      },
    },
  }
}

/** The same names give the same uid in every run (RFC 9562, 5.8: a version 8 UUID from a hash). */
function derivedUid (place: Place, namespace: string, name: string): string {
  const hash = createHash('sha256').update(JSON.stringify([place.trustDomain, place.cluster, place.node, namespace, name])).digest()
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** What leads from one list of workloads to the next: removals first, then changes, then additions. */
export function workloadChanges (before: readonly LocalWorkload[], after: readonly LocalWorkload[]): ClusterChange[] {
  const old = new Map(before.map(workload => [workload.key, workload]))
  const fresh = new Map(after.map(workload => [workload.key, workload]))
  const removed = before.filter(workload => !isSamePlace(workload, fresh.get(workload.key)))
  const added = after.filter(workload => !isSamePlace(workload, old.get(workload.key)))
  return [
    ...removed.map(workload => ({ kind: 'workload-removed', workload }) as const),
    ...after.flatMap(workload => changeOf(old.get(workload.key), workload)),
    ...added.map(workload => ({ kind: 'workload-added', workload }) as const),
  ]
}

/** Another kernel namespace means another pod, even under the same name. */
function isSamePlace (a: LocalWorkload, b: LocalWorkload | undefined): boolean {
  return b !== undefined && a.netns === b.netns
}

function changeOf (before: LocalWorkload | undefined, workload: LocalWorkload): ClusterChange[] {
  if (before === undefined || !isSamePlace(workload, before)) return []
  const identity = !isDeepStrictEqual(before.identity, workload.identity)
  const exclusions = !isDeepStrictEqual(before.exclude, workload.exclude)
  const mode = before.mode !== workload.mode
  return identity || exclusions || mode ? [{ kind: 'workload-changed', workload, before, identity, exclusions, mode }] : []
}
