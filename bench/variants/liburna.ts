/** liburna: an agent for each node, both capturing transparently, as `liburna run` starts them. */

import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { eventually } from '../../test/fixtures/eventually.ts'
import { allowEgress, allowIngress } from '../../test/fixtures/lab/policies.ts'
import { builtMain } from '../build.ts'
import { BenchError } from '../error.ts'
import { addressOf } from '../pair.ts'
import type { Daemon } from '../../test/fixtures/lab/daemon.ts'
import type { Pair, Side } from '../pair.ts'
import type { Variant } from './variant.ts'

const podOf = { a: 'client', b: 'server' } as const
const readyWithinMs = 20_000

/** More of node.yaml, with settings that have a dot in their name as nested maps. */
export type LiburnaSettings = Readonly<Record<string, unknown>>

export interface LiburnaOptions {
  readonly settings?: LiburnaSettings
  /** The program. @default that of this project, built */
  readonly main?: string
  /** Before the program, besides `imageFlags`. */
  readonly nodeFlags?: readonly string[]
}

/** Node is started as in the image (its Dockerfile). */
export const imageFlags: readonly string[] = ['--max-semi-space-size=16']

/** A variant of the agent. Its records go to /dev/null: made and written as always, and no disk fills up. */
export function liburnaVariant (name: string, about: string, usual: boolean, options: LiburnaOptions = {}): Variant {
  return {
    name, about, usual, needs: ['nft'],
    open: async (pair, nodeFlags = options.nodeFlags ?? []) => {
      const authority = join(pair.site.folder, pair.netns('a'), 'authority')
      const proxies = await Promise.all((['a', 'b'] as const).map(async side => startAgent(pair, side, authority, { ...options, nodeFlags })))
      return { dial: port => ({ host: addressOf.b, port }), proxies }
    },
  }
}

/** Every connection shakes hands. */
export const shaking: LiburnaSettings = { reuse: { uses: 0 } }
/** The kernel moves the bytes. */
export const leaving: LiburnaSettings = { mode: 'authenticate' }
/** Every connection proves certificates. */
const fresh: LiburnaSettings = { ...shaking, handshake: { resume: '0s' } }

export const liburna = liburnaVariant('liburna', 'liburna on both nodes, mode encrypt: mutual TLS 1.3, post-quantum key exchange, a full handshake for each connection', true, { settings: fresh })
export const liburnaX25519 = liburnaVariant('liburna-x25519', 'as liburna, with the key exchange of the others', false, { settings: { ...fresh, handshake: { resume: '0s', groups: 'X25519' } } })
export const liburnaPooled = liburnaVariant('liburna-pooled', 'as liburna, sessions reused, as is usual', true)
export const liburnaResumed = liburnaVariant('liburna-resumed', 'as liburna, a handshake for each connection, all but the first resting on an earlier one', true, { settings: shaking })
export const liburnaAuthenticate = liburnaVariant('liburna-authenticate', 'as usual, mode authenticate: both ends leave TLS after the handshake, which rests on an earlier one', true, { settings: leaving })
export const liburnaStreams = liburnaVariant('liburna-streams', 'as liburna, with the streams of Node in place of relay threads', true, { settings: { ...fresh, relay: { kind: 'streams' } } })

async function startAgent (pair: Pair, side: Side, authority: string, { settings = {}, main = builtMain, nodeFlags = [] }: LiburnaOptions): Promise<Daemon> {
  const folder = join(pair.site.folder, pair.netns(side))
  await mkdir(join(folder, 'policies'), { recursive: true })
  await writeFile(join(folder, 'policies', 'bench.yaml'), side === 'a'
    ? allowEgress('client-to-server', { of: { app: 'client' }, with: { app: 'server' }, namespace: 'bench' })
    : allowIngress('server-from-client', { of: { app: 'server' }, with: { app: 'client' }, namespace: 'bench' }))
  const adminPort = await freePort()
  await writeFile(join(folder, 'node.yaml'), stringify({
    node: `node-${side}`, cluster: 'bench', trustDomain: 'bench.example', authority, policies: './policies',
    admin: { listen: `127.0.0.1:${adminPort}` }, log: { level: 'warn' }, records: { path: '/dev/null' }, shutdown: { timeout: '200ms' },
    workloads: [{ netns: pair.netns(side), namespace: 'bench', name: podOf[side], serviceAccount: podOf[side], labels: { app: podOf[side] } }],
    ...settings,
  }))
  const args = [...imageFlags, ...nodeFlags, main, 'run', '--config', join(folder, 'node.yaml')]
  const daemon = pair.start({ command: process.execPath, args, side, place: 'outside' })
  await ready(daemon, `http://127.0.0.1:${adminPort}/readyz`)
  return daemon
}

async function ready (daemon: Daemon, url: string): Promise<void> {
  const outcome = await eventually(async () => {
    if (!daemon.running) return 'ended'
    return (await fetch(url, { signal: AbortSignal.timeout(2000) })).ok && 'ready'
  }, readyWithinMs).catch((error: unknown) => {
    throw new BenchError(`the agent is not ready: ${daemon.output}`, { code: 'variant-failed', cause: error })
  })
  if (outcome === 'ended') throw new BenchError(`the agent ended: ${daemon.output}`, { code: 'variant-failed' })
}

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(0, '127.0.0.1', resolve) })
  const address = server.address()
  await new Promise(resolve => { server.close(resolve) })
  if (address === null || typeof address === 'string') throw new BenchError('a TCP server has an address', { code: 'variant-failed' })
  return address.port
}
