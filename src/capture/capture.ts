/**
 * Taking hold of a workload.
 *
 *     bind (nobody can connect yet) ─▶ routes ─▶ rules (from here all is judged or held) ─▶ listen
 *
 * The kernel chooses the listeners' ports. A fixed port could be taken by the application, by chance or by design,
 * and the workload would then stand under guard for ever; a chosen one cannot. The price: an agent that comes back
 * writes the rules anew, which it does anyhow, in one transaction; until then they point to ports where nobody
 * listens (or nobody who could be transparent), and hold.
 *
 * While captured connections live, their port numbers are in use in the namespace: an application that binds one of
 * them anew needs SO_REUSEADDR, as practically every server sets (without it bind says EADDRINUSE, as it would for the
 * application's own connections).
 *
 * Connections that exist when the rules arrive are reset: nobody has judged them.
 */

import { socketAddress } from '../model/address.ts'
import { bindListener, listenOn, localAddressOf, Netns } from '../sys/index.ts'
import { applyCapture, removeCapture } from './apply.ts'
import { CaptureError } from './error.ts'
import { marks } from './marks.ts'
import { PodCapture } from './pod-capture.ts'
import type { IpFamily } from '../model/address.ts'
import type { Fd } from '../sys/index.ts'
import type { Exclusions } from './exclusions.ts'
import type { Listeners } from './pod-capture.ts'

export interface CaptureSpec {
  /** A name under /run/netns or an absolute path. */
  readonly netns: string
  /** The workload's name, for errors. */
  readonly name: string
  readonly exclude: Exclusions
}

/** Connections that may wait to be accepted; the kernel bounds it by net.core.somaxconn (4096 by default). */
export const backlog = 4096

/** Holds the workloads of this agent; knows each namespace by its inode, so none is armed twice. */
export class Capture {
  readonly #names = new Map<bigint, string>()

  /**
   * Resolves when the rules are in force and the listeners listen. Finds the rules of a dead agent and replaces them.
   * Throws `CaptureError` and `SysError` (ENOENT without the namespace). When it fails after the rules are in force
   * they stay: the workload is then under guard, not free.
   */
  async arm ({ netns: path, name, exclude }: CaptureSpec): Promise<PodCapture> {
    const netns = Netns.open(path)
    const { inode } = netns
    const holder = this.#names.get(inode)
    if (holder !== undefined) {
      netns.close()
      throw new CaptureError('already-armed', `${path} of ${name} is the namespace of ${holder}`)
    }
    this.#names.set(inode, name)
    const onEnd = (): void => { this.#names.delete(inode) }
    try {
      return await armNetns(netns, exclude, onEnd)
    } catch (error) {
      netns.close()
      onEnd()
      throw error
    }
  }
}

/**
 * Takes rules, routes and settings of a dead agent out of a namespace; does nothing where there are none. Not for
 * one that a living agent holds. Throws `CaptureError` and `SysError` (ENOENT without the namespace).
 */
export async function disarmNetns (nameOrPath: string): Promise<void> {
  using netns = Netns.open(nameOrPath)
  await removeCapture(netns)
}

async function armNetns (netns: Netns, exclude: Exclusions, onEnd: () => void): Promise<PodCapture> {
  const families = familiesOf(netns)
  const listeners = bindListeners(netns, families)
  const all = [...listeners.inbound, ...listeners.outbound]
  try {
    const [inbound, outbound] = [listeners.inbound, listeners.outbound].map(fds => fds.map(fd => localAddressOf(fd.number)))
    await applyCapture(netns, families, { inbound: inbound ?? [], outbound: outbound ?? [], exclude })
    for (const fd of all) listenOn(fd, backlog)
    return new PodCapture({ netns, listeners, families, exclude, onEnd })
  } catch (error) {
    for (const fd of all) fd.close()
    throw error
  }
}

/** IPv6 only where `lo` has it; where not, IPv6 packets find no listener and are held. */
function familiesOf (netns: Netns): readonly IpFamily[] {
  return netns.readSysctl('ipv6/conf/lo/disable_ipv6') === '0' ? [4, 6] : [4]
}

function bindListeners (netns: Netns, families: readonly IpFamily[]): Listeners {
  const opened: Fd[] = []
  const open = (mark: number, saveSyn: boolean) => (family: IpFamily): Fd => {
    const address = socketAddress(family === 4 ? '127.0.0.1' : '::1', 0)
    const fd = bindListener({ address, mark, saveSyn, transparent: true })
    opened.push(fd)
    return fd
  }
  try {
    return netns.run<Listeners>(() => ({
      inbound: families.map(open(marks.wire, true)),
      outbound: families.map(open(marks.pod, false)),
    }))
  } catch (error) {
    for (const fd of opened) fd.close()
    throw error
  }
}
