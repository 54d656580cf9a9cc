/**
 * Turns a registered connection into a permit, or a denial. Pure but for the flow record.
 *
 * A Permit cannot be made anywhere else: the constructor is not exported, and its private field makes a
 * look-alike object fail to compile. `forward` takes nothing less. And what is lent is lent on a StandingPermit.
 */

import { stricterOf } from '../model/mode.ts'
import { formatRuleName } from '../model/verdict.ts'
import { peerOf, questionOf } from './registry.ts'
import type { VerdictMessage } from '../handshake/index.ts'
import type { SecureMode } from '../model/mode.ts'
import type { Decision } from '../model/verdict.ts'
import type { PolicyDecision } from '../policy/index.ts'
import type { Lender } from '../relay/index.ts'
import type { NodeParts, Secured } from './pod.ts'
import type { Entry } from './registry.ts'

class Permit {
  readonly #entry: Entry

  constructor (entry: Entry) {
    this.#entry = entry
  }

  /** The connection that it permits, and no other. */
  get entry (): Entry { return this.#entry }
}

/**
 * Permits the connections that follow one on its session, each as that one was permitted, until something changes that
 * the decision rests on. Whoever begins one has to look at `state` first (`relay/lending.ts`).
 */
class StandingPermit {
  readonly #lender: Pick<Lender, 'state'>
  readonly state: number
  /** When the answer may change by time alone, ms since the epoch. */
  readonly untilMs: number
  readonly decision: PolicyDecision
  readonly message: VerdictMessage

  constructor (lender: Pick<Lender, 'state'>, state: number, untilMs: number, decision: PolicyDecision, message: VerdictMessage) {
    this.#lender = lender
    this.state = state
    this.untilMs = untilMs
    this.decision = decision
    this.message = message
  }

  /** Whether nothing has changed since. */
  get isCurrent (): boolean { return this.#lender.state === this.state }
}

export type { Permit, StandingPermit }

/** What this end says; `message` is for the other end, if it is an agent. */
export type Judgement =
  | { readonly kind: 'permitted', readonly permit: Permit, readonly message: VerdictMessage }
  | { readonly kind: 'denied', readonly message: VerdictMessage }

/** Asks policy, and writes what it says into the flow. */
export function authorize (entry: Entry, node: Pick<NodeParts, 'policies' | 'clock'>): Judgement {
  const decision = node.policies().decide(questionOf(entry, node.clock.now()))
  entry.flow.remote(peerOf(entry.secured, entry.flow))
  entry.flow.decided(decision)
  entry.permitted = decision.action === 'allow' ? decision : undefined
  const message = messageOf(decision, leastFor(entry.secured, decision))
  return message.accepted ? { kind: 'permitted', permit: new Permit(entry), message } : { kind: 'denied', message }
}

/** Asks policy about the connections that may follow on the session of `entry`; `undefined` where each has to be asked about. */
export function authorizeNext (entry: Entry, { lender, policies, clock }: Pick<NodeParts, 'lender' | 'policies' | 'clock'>): StandingPermit | undefined {
  const { secured } = entry
  if (lender === undefined || secured.kind === 'plain' || !secured.session.mayCarryAnother) return undefined
  const { state } = lender // first: what changes from now on changes it
  const nowMs = clock.now()
  const decision = policies().decide(questionOf(entry, nowMs))
  const message = messageOf(decision, leastFor(secured, decision))
  const untilMs = Math.min(secured.session.notAfterMs, policies().nextChangeMs(nowMs))
  return message.accepted ? new StandingPermit(lender, state, untilMs, decision, message) : undefined
}

/** What the pod is content with, unless a rule requires more. */
function leastFor (secured: Secured, { requiredMode }: PolicyDecision): SecureMode {
  const asks = secured.kind === 'verified' ? secured.session.asks : 'encrypt'
  return requiredMode === undefined ? asks : stricterOf(asks, requiredMode)
}

function messageOf ({ action, decidedBy, reason }: Decision, mode: SecureMode): VerdictMessage {
  const said = { decidedBy: formatRuleName(decidedBy), reason }
  return action === 'allow' ? { accepted: true, mode, ...said } : { accepted: false, ...said }
}
