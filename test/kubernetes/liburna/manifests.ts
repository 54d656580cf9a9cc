/** Objects for the API server, as plain data; `listOf` gives what `kubectl apply -f -` reads. */

import { busyboxImage } from '../busybox.ts'
import type { NodeName } from '../network.ts'

/** What a container runs. */
export interface PodRun {
  /** @default busybox */
  readonly image?: string
  readonly run: readonly string[]
}

export interface PodWish extends Partial<PodRun> {
  readonly namespace: string
  readonly node: NodeName
  /** Value of its label `app`. @default its name */
  readonly app?: string
  /** Shell script of an init container. */
  readonly early?: string
  readonly annotations?: Readonly<Record<string, string>>
  /** More fields of its container. */
  readonly container?: object
}

export function listOf (...objects: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
}

export function shell (script: string): readonly string[] {
  return ['sh', '-c', script]
}

/** Sleeps, unless told otherwise. */
export function pod (name: string, { namespace, node, app = name, annotations = {}, ...wish }: PodWish): object {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels: { app }, annotations }, spec: { nodeName: node, ...podSpec(wish) } }
}

export function podSpec ({ image, run = shell('sleep 100000'), early, container = {} }: Omit<PodWish, 'namespace' | 'node'>): object {
  const one = (id: string, command: readonly string[], more: object = {}): object => ({ name: id, image: busyboxImage, imagePullPolicy: 'Never', command, ...more })
  return {
    terminationGracePeriodSeconds: 1,
    ...early !== undefined && { initContainers: [one('early', shell(early))] },
    containers: [one('main', run, { ...image !== undefined && { image }, ...container })],
  }
}

/** @param labels `liburna.io/enforce: "true"` has its pods captured. */
export function namespaceOf (name: string, labels: Readonly<Record<string, string>> = { 'liburna.io/enforce': 'true' }): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

/** Lets pods labelled `app: from` reach those labelled `app: to`, and nobody else. */
export function networkPolicy (namespace: string, to: string, from: string): object {
  return {
    apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: to, namespace },
    spec: { podSelector: { matchLabels: { app: to } }, policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: { matchLabels: { app: from } } }] }] },
  }
}
