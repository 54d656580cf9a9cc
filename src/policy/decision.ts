/** From a verdict to what the agent, its records and its operators are told. */

import { formatRuleName } from '../model/verdict.ts'
import { matchesPeer } from './match.ts'
import { showRef } from './normal-form.ts'
import { walk } from './walk.ts'
import type { Action, Decision, Observation, RuleName } from '../model/verdict.ts'
import type { Asked } from './match.ts'
import type { OnChange, PolicyEntry, RequiredMode } from './normal-form.ts'
import type { DirectionView, Layers } from './view.ts'
import type { Layer, Step, Verdict } from './walk.ts'

/** The entry that came near, and why it did not match. */
export interface Miss {
  readonly rule: RuleName
  readonly why: string
}

/**
 * `reason`, `nearest` and `peerLabels` are made when they are read, so a decision is an object with getters: do not spread it.
 * `JSON.stringify` gives all of it but `entry`.
 */
export interface PolicyDecision extends Decision {
  /** Where in the order it was decided. */
  readonly layer: Layer
  /** The entry that decided, in normal form; absent for isolation without a match and for the default. */
  readonly entry: PolicyEntry | undefined
  /** The strictest mode that a matching entry requires; met, or not known to be unmet, when `action` is allow. */
  readonly requiredMode: RequiredMode | undefined
  /** At most three entries that were asked and did not match, nearest first. Computed when read. */
  readonly nearest: readonly Miss[]
  /** Those that the deciding rule, or for a denial by isolation the nearest ones, looked at. Sorted. */
  readonly peerLabels: readonly string[]
}

/** `kind` of the rule name when no policy decided. */
export const defaultRule: RuleName = { kind: 'default', namespace: '', name: '', rule: '' }

const maxMisses = 3
/** Beyond this many entries the nearest are not searched: reading a denial's reason must not be a way to burn time. */
const maxSearched = 256

export function decisionOf (view: DirectionView, asked: Asked): PolicyDecision {
  return new WalkedDecision(walk(view.enforced, asked), view, asked)
}

/** A class, because an object literal with getters costs fifty times as much. */
class WalkedDecision implements PolicyDecision {
  readonly action: Action
  readonly decidedBy: RuleName
  readonly observed: Observation | undefined
  readonly layer: Layer
  readonly entry: PolicyEntry | undefined
  readonly requiredMode: RequiredMode | undefined
  readonly #verdict: Verdict
  readonly #layers: Layers
  readonly #asked: Asked
  #missed: readonly Step[] | undefined
  #reason: string | undefined

  constructor (verdict: Verdict, view: DirectionView, asked: Asked) {
    this.action = verdict.action
    this.decidedBy = ruleOf(verdict)
    this.observed = view.observed === undefined ? undefined : observationOf(walk(view.observed, asked))
    this.layer = verdict.layer
    this.entry = verdict.entry
    this.requiredMode = verdict.requiredMode
    this.#verdict = verdict
    this.#layers = view.enforced
    this.#asked = asked
  }

  get nearest (): readonly Miss[] {
    return this.#nearestSteps().map(({ entry, why }) => ({ rule: nameOf(entry), why }))
  }

  get peerLabels (): readonly string[] {
    return labelKeysOf(this.entry !== undefined ? [this.entry] : this.#verdict.isolatedBy.length > 0 ? this.#nearestSteps().map(({ entry }) => entry) : [])
  }

  get reason (): string {
    return this.#reason ??= reasonOf(this.#verdict, this.#layers, this.#asked, () => this.nearest)
  }

  #nearestSteps (): readonly Step[] {
    return this.#missed ??= nearestOf(this.#layers, this.#asked)
  }

  toJSON (): unknown {
    const { action, decidedBy, reason, observed, layer, requiredMode, nearest, peerLabels } = this
    return { action, decidedBy, reason, observed, layer, requiredMode, nearest, peerLabels }
  }
}

/** A decision that no policy has a part in. */
export function withoutPolicy (reason: string): PolicyDecision {
  return {
    action: 'allow', decidedBy: defaultRule, reason, observed: undefined, layer: 'default', entry: undefined, requiredMode: undefined,
    nearest: [], peerLabels: [],
  }
}

/** The name of an entry, as decisions and records write it. */
export function nameOf ({ policy, rule }: PolicyEntry): RuleName {
  return { kind: policy.kind, namespace: policy.namespace, name: policy.name, rule }
}

export function ruleOf ({ entry, isolatedBy: [first] }: Verdict): RuleName {
  if (entry !== undefined) return nameOf(entry)
  return first === undefined ? defaultRule : { ...first.ref, rule: '' }
}

function observationOf (verdict: Verdict): Observation {
  return { action: verdict.action, decidedBy: ruleOf(verdict) }
}

function reasonOf (verdict: Verdict, layers: Layers, asked: Asked, nearest: () => readonly Miss[]): string {
  const { entry, layer, action, isolatedBy } = verdict
  if (entry !== undefined) {
    const told = entry.description === '' ? showEntry(entry) : `${showEntry(entry)} (${entry.description})`
    if (layer === 'mode') return `${told} requires ${entry.mode ?? ''}, the connection is ${asked.question.mode ?? ''}`
    return `${action === 'allow' ? 'allowed' : 'denied'} by ${told}`
  }
  if (isolatedBy.length > 0) return isolationReason(verdict, nearest())
  return layers.policies === 0 ? 'default allow: no policy selects the pod' : 'default allow: no policy that selects the pod decides this direction'
}

function isolationReason ({ isolatedBy }: Verdict, [nearest]: readonly Miss[]): string {
  const names = isolatedBy.slice(0, maxMisses).map(({ ref, broken }) => broken === '' ? showRef(ref) : `${showRef(ref)}, which is invalid (${broken})`)
  const more = isolatedBy.length > maxMisses ? ` and ${isolatedBy.length - maxMisses} more` : ''
  const near = nearest === undefined ? 'no rule allows anything' : `no rule matched (nearest: ${formatRuleName(nearest.rule)}: ${nearest.why})`
  return `isolated by ${names.join(', ')}${more}: ${near}`
}

function showEntry ({ policy, rule }: PolicyEntry): string {
  return rule === '' ? showRef(policy) : `${showRef(policy)} ${rule}`
}

/** Walks again with a sink. Nearer is: only the port differs, then only the peer, then both, then the time. */
function nearestOf (layers: Layers, asked: Asked): Step[] {
  const missed: Step[] = []
  walk(bounded(layers), asked, step => { if (step.stage !== 'matched') missed.push(step) })
  return missed.map(step => ({ step, distance: distanceOf(step, asked) }))
    .sort((a, b) => a.distance - b.distance).slice(0, maxMisses)
    .map(({ step }) => step)
}

function bounded (layers: Layers): Layers {
  return layers.allows.length <= maxSearched ? layers : { ...layers, allows: layers.allows.slice(0, maxSearched) }
}

function distanceOf ({ entry, stage }: Step, asked: Asked): number {
  if (stage === 'time') return 3
  if (stage === 'peers') return 1
  return entry.peers === 'everyone' || entry.peers.some(peer => matchesPeer(peer, asked)) ? 0 : 2
}

function labelKeysOf (entries: readonly PolicyEntry[]): string[] {
  const selectors = entries.flatMap(({ peers }) => peers === 'everyone' ? [] : peers.flatMap(peer => peer.kind === 'workload' ? [...peer.labels ?? []] : []))
  return [...new Set(selectors.map(({ key }) => key))].sort()
}

/**
 * What becomes of a live connection that was allowed by `before` and is denied by `now`: as the denying rule says,
 * else as the rule that had allowed it says, else it is closed.
 */
export function fateOf (before: PolicyDecision, now: PolicyDecision): OnChange {
  return now.entry?.onChange ?? before.entry?.onChange ?? { kind: 'close' }
}

