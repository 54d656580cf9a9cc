/**
 * What this kernel and this machine can do, asked by trying it, once a process.
 *
 * Each probe works in a namespace made for it and thrown away; nothing of the machine is touched. `doctor` prints
 * the table, and a test may be skipped only by naming a probe.
 */

import { spawnSync } from 'node:child_process'
import { messageOf } from '../lib/error.ts'
import { socketAddress } from '../model/address.ts'
import { assemble, attachSockOps, exit, loadSockOps, mov, r0 } from './bpf/index.ts'
import { AgentCgroup } from './cgroup.ts'
import { Netns } from './netns.ts'
import { whyNoOpenssl } from './openssl/index.ts'
import { openDialer, openListener } from './socket.ts'
import type { Fd } from './fd.ts'

interface Probe {
  /** What it is good for. */
  readonly purpose: string
  /** What happens without it. */
  readonly fallback: string
  /** Throws when it is not there; the message says why. Returns a detail for the table. */
  readonly attempt: () => string
}

const needed = 'none: liburna cannot capture without it'
const declared = 'the setting `discovery: declared`'

const probes = {
  'netns': {
    purpose: 'entering a pod\'s network namespace',
    fallback: needed,
    attempt: () => inNewNetns(() => 'CAP_SYS_ADMIN'),
  },
  'iproute2': {
    purpose: 'policy routing of captured packets',
    fallback: needed,
    attempt: () => inNewNetns(() => {
      tool('ip', ['rule', 'add', 'fwmark', '1/1', 'lookup', '100'])
      return tool('ip', ['-V'])
    }),
  },
  'nftables': {
    purpose: 'rules in the pod\'s namespace',
    fallback: needed,
    attempt: () => inNewNetns(() => {
      tool('nft', ['-f', '-'], 'table inet probe { chain c { type route hook output priority mangle; meta mark set 1; }; }')
      return tool('nft', ['--version'])
    }),
  },
  'tproxy': {
    purpose: 'handing connections to the agent with their destination kept',
    fallback: needed,
    attempt: () => inNewNetns(() => {
      tool('nft', ['-f', '-'], tproxyRules)
      return 'IPv4 and IPv6'
    }),
  },
  'transparent': {
    purpose: 'sockets with the address of another',
    fallback: needed,
    attempt: () => inNewNetns(() => {
      close(openListener({ address: socketAddress('192.0.2.1', 0), transparent: true, mark: 1 }))
      return 'CAP_NET_ADMIN'
    }),
  },
  'saved-syn': {
    purpose: 'reading the option of the SYN that opened a connection',
    fallback: declared,
    attempt: () => inNewNetns(() => {
      close(openListener({ address: socketAddress('0.0.0.0', 0), saveSyn: true }))
      return 'TCP_SAVE_SYN'
    }),
  },
  'accepted-mark': {
    purpose: 'answers of the application finding their way back',
    fallback: needed,
    attempt: () => {
      using netns = Netns.openNew()
      netns.writeSysctl('ipv4/tcp_fwmark_accept', '1')
      netns.writeSysctl('ipv4/fwmark_reflect', '1')
      return 'tcp_fwmark_accept, fwmark_reflect'
    },
  },
  'port-range': {
    purpose: 'a range of ports for the agent\'s dials alone (Linux 6.3)',
    fallback: 'the range of the namespace',
    attempt: () => inNewNetns(() => {
      close(openDialer({ family: 4, bind: { ip: socketAddress('0.0.0.0', 0).ip, portRange: [40000, 40001] } }))
      return 'IP_LOCAL_PORT_RANGE'
    }),
  },
  'cgroup2': {
    purpose: 'telling the agent\'s sockets from others to BPF',
    fallback: declared,
    attempt: () => {
      using cgroup = AgentCgroup.enter()
      return cgroup.folder
    },
  },
  'sockops': {
    purpose: 'the TCP option by which agents find each other',
    fallback: declared,
    attempt: () => {
      using cgroup = AgentCgroup.enter()
      using program = loadSockOps(assemble([mov(r0, 1), exit()]), 'liburna_probe')
      close(attachSockOps(program, cgroup.fd))
      return 'BPF_PROG_TYPE_SOCK_OPS, BPF_LINK_CREATE'
    },
  },
  'openssl': {
    purpose: 'threads that move the bytes: TLS on raw descriptors',
    fallback: 'the streams of Node, which are slower (`relay.kind`)',
    attempt: () => {
      const why = whyNoOpenssl()
      if (why !== undefined) throw new Error(why)
      return `OpenSSL ${process.versions.openssl} of Node ${process.versions.node}`
    },
  },
} as const satisfies Record<string, Probe>

export type FeatureName = keyof typeof probes

/** One row of the table. */
export interface Feature {
  readonly name: FeatureName
  readonly works: boolean
  /** What was found, or why it does not work. One line. */
  readonly detail: string
  readonly purpose: string
  readonly fallback: string
}

const known = new Map<FeatureName, Feature>()

export const featureNames: readonly FeatureName[] = Object.keys(probes) as FeatureName[] // the keys of the literal above

/** Tries the feature the first time, and remembers. Takes some milliseconds, synchronously. Never throws. */
export function feature (name: FeatureName): Feature {
  const before = known.get(name)
  if (before !== undefined) return before
  const { purpose, fallback } = probes[name]
  const found: Feature = { name, purpose, fallback, ...tried(probes[name]) }
  known.set(name, found)
  return found
}

function tried ({ attempt }: Probe): Pick<Feature, 'works' | 'detail'> {
  try {
    return { works: true, detail: oneLine(attempt()) }
  } catch (error) {
    return { works: false, detail: oneLine(messageOf(error)) }
  }
}

const tproxyRules = `table inet probe {
  chain c {
    type filter hook prerouting priority mangle;
    meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:1 socket mark 1 accept
    meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:1 socket mark 1 accept
  }
}`

function inNewNetns (attempt: () => string): string {
  using netns = Netns.openNew()
  return netns.run<string>(attempt)
}

/** Runs the tool in the namespace of this thread; throws what it complained of. */
function tool (command: string, args: readonly string[], input = ''): string {
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
  const { status, stdout, stderr, error } = spawnSync(command, args, { input, env, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(stderr)
  return stdout
}

function close (fd: Fd): void {
  fd.close()
}

function oneLine (text: string): string {
  return text.trim().replace(/\s+/g, ' ').slice(0, 300)
}
