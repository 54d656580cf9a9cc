/** How bytes travel between two ends, and who decides it: everybody may ask for more, nobody gets less than anyone asks. */

/**
 * How bytes travel between two agents. `encrypt`: under mutual TLS for the life of the connection. `authenticate`:
 * mutual TLS proves both ends, then both leave it.
 */
export type SecureMode = 'encrypt' | 'authenticate'
/** `plain` when there is no agent at the other end. */
export type Mode = SecureMode | 'off' | 'plain'
/** What the settings of one place say of it; `unset` says nothing. */
export type AskedMode = SecureMode | 'unset'

export const askedModes = ['encrypt', 'authenticate', 'unset'] as const satisfies readonly AskedMode[]

/** Encrypt unless both are content with less. */
export function stricterOf (one: SecureMode, other: SecureMode): SecureMode {
  return one === 'encrypt' ? one : other
}

/** What node, namespace and workload come to: `authenticate` has to be asked for, and nobody may ask for more. */
export function modeOf (asked: readonly AskedMode[]): SecureMode {
  return asked.includes('authenticate') && !asked.includes('encrypt') ? 'authenticate' : 'encrypt'
}
