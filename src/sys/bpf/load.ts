/** bpf(2): loading a sockops program and attaching it to a cgroup. Offsets are those of `union bpf_attr` (linux/bpf.h). */

import { arch } from 'node:os'
import { addressOf, call, lastErrno, libc } from '../libc.ts'
import { Fd } from '../fd.ts'
import { withMemory } from '../memory.ts'
import { SysError } from '../error.ts'

const SYS_bpf = arch() === 'arm64' ? 280 : 321

const EAGAIN = 11

const BPF_PROG_LOAD = 5
const BPF_LINK_CREATE = 28
const BPF_PROG_TYPE_SOCK_OPS = 13
const BPF_CGROUP_SOCK_OPS = 3

/** Room for the verifier's words; a program of ours fills a few KB of it. */
const logBytes = 64 * 1024
/** Helpers marked GPL-only are not used, so the true licence will do. */
const licence = Buffer.from('Apache-2.0\0')

/**
 * Loads a sockops program. Throws `SysError`: EPERM without CAP_BPF and CAP_NET_ADMIN, EINVAL or EACCES when the
 * verifier refuses it; the verifier's log is then in `detail`.
 */
export function loadSockOps (instructions: Uint8Array, name: string): Fd {
  const fd = loadPatiently(instructions, name)
  if (fd >= 0) return new Fd(fd)
  const errno = lastErrno()
  const log = Buffer.alloc(logBytes)
  const again = progLoad(instructions, name, log) // once more, to hear why
  if (again >= 0) return new Fd(again)
  throw new SysError('bpf', errno, 'BPF_PROG_LOAD', log.subarray(0, log.indexOf(0)).toString().trim())
}

/** Attaches the program to the cgroup (v2). The attachment lasts as long as the returned link is open. Throws `SysError`. */
export function attachSockOps (program: Fd, cgroup: Fd): Fd {
  const attr = new Attr(16)
  attr.u32(0, program.number)
  attr.u32(4, cgroup.number)
  attr.u32(8, BPF_CGROUP_SOCK_OPS)
  return new Fd(call('bpf', () => libc.syscall(SYS_bpf, BPF_LINK_CREATE, attr.bytes, attr.bytes.length), 'BPF_LINK_CREATE'))
}

/** How often EAGAIN is answered by another try; libbpf tries as often. */
const mostTries = 5

/** The verifier gives up with EAGAIN when a signal is pending, e.g. a profiler's (bpf_check, kernel/bpf/verifier.c). */
function loadPatiently (instructions: Uint8Array, name: string): number {
  let fd = progLoad(instructions, name, undefined)
  for (let tries = 1; fd < 0 && lastErrno() === EAGAIN && tries < mostTries; tries++) fd = progLoad(instructions, name, undefined)
  return fd
}

function progLoad (instructions: Uint8Array, name: string, log: Uint8Array | undefined): number {
  return withMemory(instructions.length, program => {
    program.bytes.set(instructions)
    const attr = new Attr(72)
    attr.u32(0, BPF_PROG_TYPE_SOCK_OPS)
    attr.u32(4, instructions.length / 8)
    attr.u64(8, BigInt(program.address))
    attr.u64(16, addressOf(licence))
    if (log !== undefined) {
      attr.u32(24, 1) // log_level
      attr.u32(28, log.length)
      attr.u64(32, addressOf(log)) // our caller reads it
    }
    attr.bytes.set(Buffer.from(name.slice(0, 15)), 48) // prog_name, for bpftool
    attr.u32(68, BPF_CGROUP_SOCK_OPS) // expected_attach_type
    return libc.syscall(SYS_bpf, BPF_PROG_LOAD, attr.bytes, attr.bytes.length)
  })
}

class Attr {
  readonly bytes: Uint8Array
  readonly #view: DataView

  constructor (length: number) {
    const bytes = new Uint8Array(length)
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }

  u32 (at: number, value: number): void { this.#view.setUint32(at, value, true) }
  u64 (at: number, value: bigint): void { this.#view.setBigUint64(at, value, true) }
}
