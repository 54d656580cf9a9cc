/**
 * Discovery: does an agent stand at the other end? Told by a TCP option that a BPF program writes and reads.
 *
 * Where BPF or cgroup v2 is missing, `startDiscovery` says why and the destination lists of `declared.ts` are the
 * other way.
 */

import { messageOf } from '../lib/error.ts'
import { AgentCgroup, bpf, markOf, savedSyn, SysError } from '../sys/index.ts'
import { discoveryProgram } from './discovery-program.ts'
import { kindMask, marks, peerIsAgent } from './marks.ts'
import { synSpeaks } from './option.ts'

/** A running discovery. Sockets opened before it started know nothing of it. */
export interface Discovery extends Disposable {
  readonly kind: 'tcp-option'
  /** Detaches the program, leaves the cgroup and removes it. Does nothing the second time. */
  stop (): void
}

/** Why there is none. */
export interface NoDiscovery {
  readonly kind: 'unavailable'
  /** One sentence for the operator. */
  readonly reason: string
  /** What the kernel said besides, e.g. the verifier's log; perhaps empty. */
  readonly detail: string
}

/** Moves this process into a cgroup of its own and attaches the program there. Call it before opening any socket. */
export function startDiscovery (): Discovery | NoDiscovery {
  let cgroup: AgentCgroup
  try {
    cgroup = AgentCgroup.enter()
  } catch (error) {
    return { kind: 'unavailable', reason: `no cgroup of our own: ${messageOf(error)}`, detail: '' }
  }
  try {
    using program = bpf.loadSockOps(bpf.assemble(discoveryProgram), 'liburna')
    const link = bpf.attachSockOps(program, cgroup.fd) // the link keeps the program
    const stop = (): void => { link.close(); cgroup.close() }
    return { kind: 'tcp-option', stop, [Symbol.dispose]: stop }
  } catch (error) {
    cgroup.close()
    if (!(error instanceof SysError)) throw error
    return { kind: 'unavailable', reason: `the kernel refused the BPF program: ${error.message}`, detail: error.detail }
  }
}

/**
 * Whether the SYN of an accepted inbound connection said that an agent is speaking. Ask once: the kernel forgets the
 * SYN when it has told it.
 */
export function peerSpeaks (fd: number): boolean {
  return synSpeaks(savedSyn(fd))
}

/** Whether an agent answered an outbound connection of ours that is established. */
export function peerAnswers (fd: number): boolean {
  const mark = markOf(fd)
  return (mark & kindMask) === marks.wire && (mark & peerIsAgent) !== 0
}
