/**
 * How a captured connection can end: one closed table.
 *
 * Log level, metric label and the text an operator reads all come from here, so a new ending cannot be
 * added without saying what it means.
 */

interface OutcomeRow {
  /** Level of the log line that tells it. */
  readonly level: 'info' | 'warn' | 'error'
  /** Whether bytes of the application were allowed to flow. */
  readonly forwarded: boolean
  readonly text: string
}

export const outcomes = {
  'completed': { level: 'info', forwarded: true, text: 'both ends finished' },
  'reset-by-client': { level: 'info', forwarded: true, text: 'the client reset the connection' },
  'reset-by-server': { level: 'info', forwarded: true, text: 'the server reset the connection' },
  'policy-changed': { level: 'warn', forwarded: true, text: 'a change of policy, labels or trust now denies the live connection' },
  'identity-expired': { level: 'warn', forwarded: true, text: 'a certificate of the live connection ended' },
  'closed-by-peer': { level: 'warn', forwarded: true, text: 'the agent at the other end closed the live connection' },
  'workload-gone': { level: 'info', forwarded: true, text: 'the local pod went away' },
  'shutdown': { level: 'info', forwarded: true, text: 'the agent stopped' },
  'client-gone': { level: 'info', forwarded: false, text: 'the client left before a decision' },
  'denied-by-policy': { level: 'warn', forwarded: false, text: 'policy at this end denies it' },
  'denied-by-peer': { level: 'warn', forwarded: false, text: 'policy at the other end denies it' },
  'no-identity': { level: 'error', forwarded: false, text: 'the local pod has no certificate yet' },
  'peer-untrusted': { level: 'warn', forwarded: false, text: 'the other end could not prove an identity we trust' },
  'handshake-failed': { level: 'warn', forwarded: false, text: 'the handshake broke' },
  'handshake-timeout': { level: 'warn', forwarded: false, text: 'the handshake took too long' },
  'protocol-error': { level: 'warn', forwarded: false, text: 'the other end broke the protocol between agents' },
  'upstream-refused': { level: 'info', forwarded: false, text: 'nothing listens at the destination' },
  'upstream-unreachable': { level: 'info', forwarded: false, text: 'no route to the destination' },
  'upstream-timeout': { level: 'info', forwarded: false, text: 'the destination did not answer' },
  'limit-reached': { level: 'warn', forwarded: false, text: 'a limit of the pod is reached' },
  'internal-error': { level: 'error', forwarded: false, text: 'a fault of the agent itself' },
} as const satisfies Record<string, OutcomeRow>

export type Outcome = keyof typeof outcomes
