/** HAProxy on both nodes, as an operator would put it there: plain TCP inside a node, one hop of TLS or plain TCP between. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { peerCertificate } from '../certificates.ts'
import { addressOf } from '../pair.ts'
import { httpPort, iperfPort, listening } from '../servers.ts'
import type { PeerCertificate } from '../certificates.ts'
import type { Pair, Side } from '../pair.ts'
import type { Path, Variant } from './variant.ts'

/** Added to the server's port: where HAProxy listens on A (loopback) and on B. */
const shift = { a: 10_000, b: 20_000 } as const

/** Clients at once. Each takes two descriptors, and a pipe for a spliced one two more; the usual hard limit is 20,000. */
const mostConnections = 5500

interface Flavour {
  readonly tls: boolean
  /** Added to the `server` line of node A. */
  readonly server?: string
  readonly defaults?: string
}

function haproxy (name: string, about: string, usual: boolean, flavour: Flavour): Variant {
  return { name, about, usual, needs: ['haproxy', 'openssl'], open: async pair => openHaproxy(pair, flavour) }
}

export const haproxyTls = haproxy('haproxy-tls', 'HAProxy on both nodes, mutual TLS 1.3, 64 KB buffers; a full handshake for each connection', true, { tls: true, server: 'no-ssl-reuse' })
export const haproxyResumed = haproxy('haproxy-resumed', 'as haproxy-tls, TLS sessions resumed', false, { tls: true })
export const haproxySplice = haproxy('haproxy-splice', 'HAProxy on both nodes, plain TCP, spliced in the kernel', true, { tls: false, defaults: 'option splice-auto' })

async function openHaproxy (pair: Pair, flavour: Flavour): Promise<Path> {
  const certificate = await peerCertificate(pair.site.folder)
  const start = async (side: Side): Promise<Path['proxies'][number]> => {
    const folder = join(pair.site.folder, pair.netns(side))
    await mkdir(folder, { recursive: true })
    const file = join(folder, 'haproxy.cfg')
    await writeFile(file, configOf(side, flavour, certificate))
    const daemon = pair.start({ command: 'haproxy', args: ['-db', '-f', file], side })
    await listening(pair, side, httpPort + shift[side], daemon, 'haproxy')
    return daemon
  }
  const proxies = [await start('a'), await start('b')]
  return { dial: port => ({ host: '127.0.0.1', port: port + shift.a }), proxies }
}

function configOf (side: Side, { tls, server = '', defaults = '' }: Flavour, { bundle, root }: PeerCertificate): string {
  const mutual = `ssl crt ${bundle} ca-file ${root} verify required`
  const listen = (port: number): string => side === 'a'
    ? `listen p${port}\n  bind 127.0.0.1:${port + shift.a} backlog 4096\n  server s ${addressOf.b}:${port + shift.b} ${tls ? `${mutual} verifyhost peer sni str(peer) ${server}` : ''}`
    : `listen p${port}\n  bind ${addressOf.b}:${port + shift.b} backlog 4096 ${tls ? mutual : ''}\n  server s 127.0.0.1:${port}`
  return `
global
  nbthread 1
  maxconn ${mostConnections}
  tune.bufsize 65536
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  mode tcp
  maxconn ${mostConnections}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  ${defaults}
${listen(httpPort)}
${listen(iperfPort)}
`
}
