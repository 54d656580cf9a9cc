/** How the issuer can say no: one closed table. HTTP status, level of the log line and the text for people come from it. */

interface RefusalRow {
  readonly status: number
  /** `error` is a fault of ours, `warn` something that an honest agent does not do, `info` what happens in an honest race, `debug` what anybody can do. */
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly text: string
}

export const refusals = {
  'no-such-path': { status: 404, level: 'debug', text: 'there is nothing at this path' },
  'wrong-method': { status: 405, level: 'debug', text: 'this path wants another method' },
  'no-token': { status: 401, level: 'warn', text: 'no bearer token' },
  'bad-token': { status: 401, level: 'warn', text: 'the bearer token is not of the form of one' },
  'wrong-audience': { status: 401, level: 'warn', text: 'the token is for another audience' },
  'token-expired': { status: 401, level: 'warn', text: 'the token has expired' },
  'token-rejected': { status: 401, level: 'warn', text: 'the API server does not accept the token' },
  'not-an-agent': { status: 403, level: 'warn', text: 'the token is of another service account than the agents\'' },
  'not-bound': { status: 403, level: 'warn', text: 'the token is not bound to a pod' },
  'agent-gone': { status: 403, level: 'warn', text: 'the pod that the token is bound to is not there' },
  'node-unclear': { status: 403, level: 'warn', text: 'token and pod of the agent name different nodes, or none' },
  'rate-limited': { status: 429, level: 'warn', text: 'too many requests of this node or address' },
  'busy': { status: 503, level: 'warn', text: 'too many requests at once' },
  'too-large': { status: 413, level: 'warn', text: 'the request is larger than any honest one' },
  'bad-request': { status: 400, level: 'warn', text: 'the request is not of the form of one' },
  'unknown-field': { status: 400, level: 'warn', text: 'the request says what the issuer reads for itself' },
  'bad-key': { status: 400, level: 'warn', text: 'the public key is none on P-256 or P-384' },
  'bad-proof': { status: 400, level: 'warn', text: 'the proof that the key is the asker\'s does not hold' },
  'no-such-pod': { status: 404, level: 'info', text: 'there is no such pod' },
  'other-node': { status: 403, level: 'warn', text: 'the pod is not scheduled on the node of the agent' },
  'host-network': { status: 403, level: 'warn', text: 'the pod has its node\'s network' },
  'pod-ended': { status: 403, level: 'info', text: 'the pod has ended' },
  'reserved-identity': { status: 403, level: 'warn', text: 'the pod runs as the issuer itself' },
  'not-signable': { status: 422, level: 'error', text: 'what the pod says of itself cannot be signed' },
  'unavailable': { status: 503, level: 'error', text: 'the issuer cannot do it now' },
  'internal': { status: 500, level: 'error', text: 'a fault of the issuer itself' },
} as const satisfies Record<string, RefusalRow>

/** Why a request is refused; a metric label and a field of the log. */
export type RefusalCode = keyof typeof refusals

export function isRefusal (code: string): code is RefusalCode {
  return Object.hasOwn(refusals, code)
}
