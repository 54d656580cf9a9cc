/** Who may talk: the workloads of manifests, and the parts of the world outside. */

import { nameOfWorkload } from './endpoint-text.ts'
import type { NamedPort } from '../model/workload.ts'
import type { Endpoint, ManifestWorkload } from '../policy/index.ts'
import type { NamedEndpoint } from './endpoint-text.ts'
import type { OutsidePart } from './outside.ts'

export interface Party {
  /** `Deployment shop/web`, `10.0.0.0/8`: unique among the parties of one question. */
  readonly name: string
  /** Of a workload; empty outside. */
  readonly namespace: string
  readonly endpoint: Endpoint
  /** Declared container ports. */
  readonly ports: readonly NamedPort[]
  /** Whether there may be several of it, which may talk to each other. */
  readonly several: boolean
}

/** Several objects of one name (a mistake that `validate` tells) are numbered. */
export function workloadParties (workloads: readonly ManifestWorkload[]): Party[] {
  const seen = new Map<string, number>()
  return workloads.map(workload => {
    const name = nameOfWorkload(workload)
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return {
      name: count === 1 ? name : `${name}#${count}`, namespace: workload.endpoint.identity.attributes.namespace,
      endpoint: workload.endpoint, ports: workload.ports, several: workload.kind !== 'Pod',
    }
  })
}

export function outsideParties (parts: readonly OutsidePart[]): Party[] {
  return parts.map(({ name, endpoint }) => ({ name, namespace: '', endpoint, ports: [], several: true }))
}

/** The party that somebody asks about by name, labels or JSON. */
export function partyOf ({ name, endpoint, ports }: NamedEndpoint): Party {
  return { name, namespace: endpoint.kind === 'workload' ? endpoint.identity.attributes.namespace : '', endpoint, ports, several: !name.startsWith('Pod ') }
}
