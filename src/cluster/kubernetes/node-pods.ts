/**
 * Pods and sandboxes of this node, each known from another side, and matched here.
 *
 * A pod that the API server has forgotten is remembered while its sandbox runs: what still runs is still enforced.
 * And while it runs, a pod of the same name waits.
 */

import type { PodFacts } from './pod-facts.ts'
import type { Sandbox } from './sandbox.ts'

export class NodePods {
  #pods: readonly PodFacts[] = []
  readonly #sandboxes = new Map<string, Sandbox>()
  readonly #departed = new Map<string, PodFacts>()
  /** Ids of those that `fill` has brought. */
  readonly #filled = new Set<string>()

  /** Those of the API server, and before them those that it has forgotten while they run. */
  get pods (): readonly PodFacts[] { return [...this.#departed.values(), ...this.#pods] }

  get sandboxes (): readonly Sandbox[] { return [...this.#sandboxes.values()] }

  setPods (pods: Iterable<PodFacts>): void {
    const now = [...pods]
    const uids = new Set(now.map(({ uid }) => uid))
    for (const pod of this.#pods) if (!uids.has(pod.uid) && this.sandboxOf(pod) !== undefined) this.#departed.set(pod.uid, pod)
    for (const uid of uids) this.#departed.delete(uid)
    this.#pods = now
  }

  /** The sandboxes there are; the later ones of a pod count. */
  setSandboxes (sandboxes: Iterable<Sandbox>): void {
    this.#sandboxes.clear()
    this.#filled.clear()
    for (const sandbox of sandboxes) this.#sandboxes.set(sandbox.uid, sandbox)
    this.#forget()
  }

  /** What was found of pods that have no sandbox yet; those that were found before, and are not any more, are gone. */
  fill (found: readonly Sandbox[]): void {
    const ids = new Set(found.map(({ id }) => id))
    for (const { uid, id } of this.sandboxes) if (this.#filled.has(id) && !ids.has(id)) this.#sandboxes.delete(uid)
    for (const sandbox of found) {
      if (this.#sandboxes.has(sandbox.uid)) continue
      this.#sandboxes.set(sandbox.uid, sandbox)
      this.#filled.add(sandbox.id)
    }
    this.#forget()
  }

  setSandbox (sandbox: Sandbox): void { this.#sandboxes.set(sandbox.uid, sandbox) }

  /** Nothing happens when the pod has another sandbox by now. */
  removeSandbox ({ uid, id }: Pick<Sandbox, 'uid' | 'id'>): void {
    if (this.#sandboxes.get(uid)?.id === id) this.#sandboxes.delete(uid)
    this.#forget()
  }

  /** Names are compared, too: the hash of a static pod is an annotation, and anybody can write annotations. */
  sandboxOf ({ uid, staticUid, namespace, name }: PodFacts): Sandbox | undefined {
    const sandbox = this.#sandboxes.get(uid) ?? this.#sandboxes.get(staticUid)
    return sandbox?.namespace === namespace && sandbox.name === name ? sandbox : undefined
  }

  /** The pod of a sandbox. */
  podOf ({ uid, namespace, name }: Sandbox): PodFacts | undefined {
    return this.pods.find(pod => pod.namespace === namespace && pod.name === name && [pod.uid, pod.staticUid].includes(uid))
  }

  #forget (): void {
    for (const pod of this.#departed.values()) if (this.sandboxOf(pod) === undefined) this.#departed.delete(pod.uid)
  }
}
