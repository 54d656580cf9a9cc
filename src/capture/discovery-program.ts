/**
 * The sockops program that writes and reads the option, as data. It sees only sockets of the agent's own cgroup,
 * and acts only on those that carry the `wire` mark.
 *
 *     dial                                    accept
 *     TCP_CONNECT_CB      ask to be called    TCP_LISTEN_CB           ask to be called
 *     HDR_OPT_LEN_CB      6 bytes in the SYN  HDR_OPT_LEN_CB          6 bytes in the SYN-ACK, if the SYN had the option
 *     WRITE_HDR_OPT_CB    write it            WRITE_HDR_OPT_CB        write it
 *     ACTIVE_ESTABLISHED  option in the       PASSIVE_ESTABLISHED     ask no more
 *                         SYN-ACK? mark the
 *                         socket; ask no more
 *
 * An answer with a SYN cookie carries no option: the accepting agent could not read the SYN later, so both ends then
 * agree that there is no agent. Established connections cost nothing: the flag is gone by then.
 */

import { bpf } from '../sys/index.ts'
import { kindMask, marks, peerIsAgent } from './marks.ts'
import { optionBytes } from './option.ts'
import type { Instruction } from '../sys/index.ts'

const { and, call, exit, ja, jeq, jne, label, ldx, mov, or, st, stx, r0, r1, r2, r3, r4, r5, r6, r7, r10 } = bpf

/** linux/bpf.h, `struct bpf_sock_ops`. */
const context = { op: 0, arg0: 4, callbackFlags: 84, socket: 184, tcpFlags: 212 } as const
/** linux/bpf.h, `struct bpf_sock`. */
const socketMark = 16
/** linux/bpf.h, BPF_SOCK_OPS_*. */
const op = { connect: 3, activeEstablished: 4, passiveEstablished: 5, listen: 11, headerLength: 14, headerWrite: 15 } as const
/** BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG */
const writeFlag = 0x40
const helper = { setsockopt: 49, setCallbackFlags: 59, loadOption: 142, storeOption: 143, reserveOption: 144 } as const
/** BPF_LOAD_HDR_OPT_TCP_SYN: search the SYN that came in, not the packet at hand. */
const inReceivedSyn = 1
const SOL_SOCKET = 1
const SO_MARK = 36
const SYN = 0x02
const ACK = 0x10

/** Where the option is built on the stack; 6 bytes from here. */
const optionAt = -8
const markAt = -16

export const discoveryProgram: readonly Instruction[] = [
  mov(r6, r1), // the context, kept across calls
  ...putOption(),
  ldx.w(r2, r6, context.op),
  jeq(r2, op.connect, 'open'),
  jeq(r2, op.listen, 'open'),
  jeq(r2, op.headerLength, 'reserve'),
  jeq(r2, op.headerWrite, 'write'),
  jeq(r2, op.activeEstablished, 'active'),
  jeq(r2, op.passiveEstablished, 'quiet'),
  ja('done'),

  label('open'), // connect(2) or listen(2): only sockets that face the wire
  ...unlessWire('done'),
  ldx.w(r2, r6, context.callbackFlags),
  or(r2, writeFlag),
  mov(r1, r6),
  call(helper.setCallbackFlags),
  ja('done'),

  label('reserve'),
  ...unlessOptionBelongs('done', 'reserve-here'),
  label('reserve-here'),
  mov(r1, r6),
  mov(r2, optionBytes.length),
  mov(r3, 0),
  call(helper.reserveOption),
  ja('done'),

  label('write'),
  ...unlessOptionBelongs('done', 'write-here'),
  label('write-here'),
  mov(r1, r6),
  mov(r2, r10),
  bpf.add(r2, optionAt),
  mov(r3, optionBytes.length),
  mov(r4, 0),
  call(helper.storeOption),
  ja('done'),

  label('active'), // the SYN-ACK is at hand
  ...unlessWire('quiet'), // leaves the socket's mark in r7
  ...findOption(0),
  jne(r0, optionBytes.length, 'quiet'),
  or(r7, peerIsAgent),
  stx.w(r10, markAt, r7),
  mov(r1, r6),
  mov(r2, SOL_SOCKET),
  mov(r3, SO_MARK),
  mov(r4, r10),
  bpf.add(r4, markAt),
  mov(r5, 4),
  call(helper.setsockopt),

  label('quiet'), // no more calls for this socket
  ldx.w(r2, r6, context.callbackFlags),
  and(r2, ~writeFlag),
  mov(r1, r6),
  call(helper.setCallbackFlags),

  label('done'),
  mov(r0, 1), // "go on as without us"; `reply` stays 0, which every other question takes as "no opinion"
  exit(),
]

/** Puts the option on the stack, to write it or to search by it. */
function putOption (): readonly Instruction[] {
  return [...optionBytes].map((byte, i) => st.b(r10, optionAt + i, byte))
}

/** Goes on only for a full socket with the `wire` mark, with that mark in r7. */
function unlessWire (elsewhere: string): readonly Instruction[] {
  return [
    ldx.dw(r1, r6, context.socket),
    jeq(r1, 0, elsewhere),
    ldx.w(r7, r1, socketMark),
    mov(r2, r7),
    and(r2, kindMask),
    jne(r2, marks.wire, elsewhere),
  ]
}

/** Goes on (to `here`) for a SYN, and for a SYN-ACK that answers a SYN with the option. */
function unlessOptionBelongs (elsewhere: string, here: string): readonly Instruction[] {
  return [
    ldx.w(r2, r6, context.arg0),
    jne(r2, 0, elsewhere), // only the length for an MSS is asked, or it is a SYN cookie
    ldx.w(r2, r6, context.tcpFlags),
    and(r2, SYN | ACK),
    jeq(r2, SYN, here),
    jne(r2, SYN | ACK, elsewhere),
    ...findOption(inReceivedSyn),
    jne(r0, optionBytes.length, elsewhere),
    ...putOption(), // the search wrote what it found into the same bytes
  ]
}

/** r0 = length of the option found, or negative. */
function findOption (where: number): readonly Instruction[] {
  return [
    mov(r1, r6),
    mov(r2, r10),
    bpf.add(r2, optionAt),
    mov(r3, optionBytes.length),
    mov(r4, where),
    call(helper.loadOption),
  ]
}
