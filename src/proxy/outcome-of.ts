/** From what happened to the row of the outcome table that says it. */

import { HandshakeError } from '../handshake/index.ts'
import { codeOf, messageOf } from '../lib/error.ts'
import type { HandshakeErrorCode, ResetReason } from '../handshake/index.ts'
import type { Outcome } from '../model/outcome.ts'
import type { Ending, Side } from '../relay/index.ts'

export interface Close {
  readonly outcome: Outcome
  readonly detail: string
}

const handshakeOutcomes = {
  'handshake-timeout': 'handshake-timeout',
  'handshake-failed': 'handshake-failed',
  'peer-untrusted': 'peer-untrusted',
  'protocol-error': 'protocol-error',
  'refused-by-peer': 'denied-by-peer',
  'no-identity': 'no-identity',
} as const satisfies Record<HandshakeErrorCode, Outcome>

/** What a failed dial means, by errno (connect(2)). */
const dialOutcomes: Readonly<Record<string, Outcome>> = {
  ECONNREFUSED: 'upstream-refused',
  ECONNRESET: 'upstream-refused',
  EHOSTUNREACH: 'upstream-unreachable',
  ENETUNREACH: 'upstream-unreachable',
  EHOSTDOWN: 'upstream-unreachable',
  EACCES: 'upstream-unreachable', // a `prohibit` route or an administrative ICMP
  ETIMEDOUT: 'upstream-timeout',
  'upstream-timeout': 'upstream-timeout',
  'limit-reached': 'limit-reached',
  'workload-gone': 'workload-gone',
  'shutdown': 'shutdown',
}

/** The outcome of an error before the permit. */
export function outcomeOfError (error: unknown): Close {
  if (error instanceof HandshakeError) return { outcome: handshakeOutcomes[error.code], detail: error.detail }
  const code = codeOf(error)
  const outcome = code === undefined ? undefined : dialOutcomes[code]
  return outcome === undefined
    ? { outcome: 'internal-error', detail: messageOf(error) }
    : { outcome, detail: code ?? '' }
}

/** What the other agent is told of a dial that failed. */
export function resetReasonOf ({ outcome }: Close): ResetReason {
  switch (outcome) {
    case 'upstream-refused': case 'upstream-unreachable': case 'upstream-timeout': case 'workload-gone': case 'shutdown': return outcome
    default: return 'internal-error'
  }
}

const toldOutcomes = {
  'reset-by-application': undefined,
  'upstream-refused': 'upstream-refused',
  'upstream-unreachable': 'upstream-unreachable',
  'upstream-timeout': 'upstream-timeout',
  'policy-changed': 'closed-by-peer',
  'identity-expired': 'closed-by-peer',
  'workload-gone': 'closed-by-peer',
  'shutdown': 'closed-by-peer',
  'internal-error': 'closed-by-peer',
} as const satisfies Record<ResetReason, Outcome | undefined>

/** The outcome of a forwarded connection; a refusal by the other end's verdict is the caller's to record. */
export function outcomeOfEnding (ending: Ending): Close {
  switch (ending.kind) {
    case 'completed': return { outcome: 'completed', detail: '' }
    case 'revoked': return { outcome: revokedOutcome(ending.revocation.code), detail: ending.revocation.message }
    case 'aborted': {
      const { abort, by } = ending
      if (abort.kind === 'refused') return { outcome: 'denied-by-peer', detail: '' }
      if (abort.kind === 'reset') return { outcome: resetBy(by), detail: abort.detail }
      return { outcome: toldOutcomes[abort.reason] ?? resetBy(by), detail: abort.detail === '' ? abort.reason : `${abort.reason}: ${abort.detail}` }
    }
  }
}

function resetBy (side: Side): Outcome {
  return side === 'client' ? 'reset-by-client' : 'reset-by-server'
}

function revokedOutcome (reason: ResetReason): Outcome {
  switch (reason) {
    case 'policy-changed': case 'identity-expired': case 'workload-gone': case 'shutdown': return reason
    default: return 'internal-error'
  }
}
