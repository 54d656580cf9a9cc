/**
 * Keeps the host guard (capture/host-guard.ts) as the pods are: who is captured is released, who is not to be captured
 * too, and nobody else.
 *
 * An address may be used again by the next pod, so what is released is taken back before the runtime takes a pod's network
 * away, and of two pods with one address the one that is not released counts.
 */

import { networkInterfaces } from 'node:os'
import { applyHostGuard, releaseAddresses, removeHostGuard } from '../capture/index.ts'
import { messageOf } from '../lib/error.ts'
import { parseIp } from '../model/address.ts'
import { Netns } from '../sys/index.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { IpAddress } from '../model/address.ts'
import type { Log, Metrics, Readiness } from '../observe/index.ts'

/** A pod of the node with a network of its own. */
export interface Tenant {
  /** Unique for as long as its addresses stay the same. */
  readonly id: string
  /** A name under /run/netns or a path. */
  readonly netns: string
  /** `armed`: its own rules are in force. `free`: it is not to be captured. */
  readonly standing: 'armed' | 'free' | 'closed'
}

export interface HostGuardParts {
  /** The node's namespace; stays the caller's. */
  readonly here: Netns
  readonly clock: Clock
  readonly log: Log
  readonly readiness: Readiness
  readonly metrics: Pick<Metrics, 'hostGuard'>
  /** All of them, or `undefined` while they are not all known: nothing is changed then. */
  readonly tenants: () => readonly Tenant[] | undefined
}

/** How often we look whether something has changed, and how often what is released is prolonged all the same, ms. */
const [lookMs, prolongMs] = [1000, 20_000]

export class HostGuard {
  readonly #parts: HostGuardParts
  readonly #addresses = new Map<string, readonly IpAddress[]>()
  #armed: readonly IpAddress[] = []
  #applied = ''
  #appliedMs = -Infinity
  #timer: Timer | undefined
  #isStopped = false
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  private constructor (parts: HostGuardParts) {
    this.#parts = parts
  }

  /** Resolves when the guard is in force, with nothing released but what an agent before us has. Throws `CaptureError`. */
  static async start (interfaces: readonly string[], parts: HostGuardParts): Promise<HostGuard> {
    await applyHostGuard(parts.here, interfaces)
    parts.metrics.hostGuard(true)
    const guard = new HostGuard(parts)
    guard.#look()
    return guard
  }

  /** Resolves when what is known now is in the kernel. Never rejects: a failure is told, and tried again. */
  review (): Promise<void> {
    this.#next ??= this.#running.then(async () => {
      this.#next = undefined
      this.#running = this.#apply()
      await this.#running
    })
    return this.#next
  }

  /** Releases nothing and takes nothing back any more; `remove` takes the guard out. */
  async stop (rules: 'keep' | 'remove'): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#next
    await this.#running
    if (rules === 'remove') await this.#remove()
  }

  #look (): void {
    void this.review()
    if (!this.#isStopped) this.#timer = this.#parts.clock.after(lookMs, () => { this.#look() })
  }

  async #apply (): Promise<void> {
    const { here, clock, log, readiness } = this.#parts
    const tenants = this.#isStopped ? undefined : this.#parts.tenants()
    if (tenants === undefined) return
    const released = this.#released(tenants)
    const text = JSON.stringify([released.armed, released.free].map(ips => ips.map(({ text }) => text)))
    if (text === this.#applied && clock.monotonic() - this.#appliedMs < prolongMs) return
    const staying = new Set(released.armed.map(({ text }) => text))
    try {
      await releaseAddresses(here, released, this.#armed.filter(({ text }) => !staying.has(text)))
      this.#armed = released.armed
      this.#applied = text
      this.#appliedMs = clock.monotonic()
      readiness.settled(name)
    } catch (error) {
      readiness.trouble(name, messageOf(error))
      log.error('the host guard cannot be changed; pods that start now may be held', { error })
    }
  }

  #released (tenants: readonly Tenant[]): { readonly armed: readonly IpAddress[], readonly free: readonly IpAddress[] } {
    const ids = new Set(tenants.map(({ id }) => id))
    for (const id of this.#addresses.keys()) if (!ids.has(id)) this.#addresses.delete(id)
    const of = (standing: Tenant['standing']): IpAddress[] => tenants.filter(tenant => tenant.standing === standing).flatMap(tenant => this.#addressesOf(tenant))
    const closed = new Set(of('closed').map(({ text }) => text))
    const open = (ips: readonly IpAddress[]): IpAddress[] => [...new Map(ips.map(ip => [ip.text, ip])).values()].filter(({ text }) => !closed.has(text)).sort((a, b) => a.text < b.text ? -1 : 1)
    return { armed: open(of('armed')), free: open(of('free')) }
  }

  /** A namespace that is gone has none. */
  #addressesOf ({ id, netns: path }: Tenant): readonly IpAddress[] {
    const known = this.#addresses.get(id)
    if (known !== undefined) return known
    try {
      using netns = Netns.open(path)
      const found = netns.run<ReturnType<typeof networkInterfaces>>(() => networkInterfaces())
      const ips = Object.values(found).flatMap(all => all ?? []).filter(({ internal }) => !internal).flatMap(({ address }) => parseIp(address) ?? [])
      if (ips.length > 0) this.#addresses.set(id, ips)
      return ips
    } catch {
      return []
    }
  }

  async #remove (): Promise<void> {
    try {
      await removeHostGuard(this.#parts.here)
      this.#parts.metrics.hostGuard(false)
    } catch (error) {
      this.#parts.log.error('the host guard could not be removed', { error })
    }
  }
}

const name = 'host guard'
