/**
 * The walk through the tiers: the only place where a verdict is made.
 *
 * `decide` walks without a sink and `explain` with one; it is the same code, so they cannot disagree.
 * README.md has the picture of the order.
 */

import { stageOf } from './match.ts'
import { Trace } from './trace.ts'
import type { Mode } from '../model/mode.ts'
import type { Action } from '../model/verdict.ts'
import type { Asked, Stage } from './match.ts'
import type { Policy, PolicyEntry, RequiredMode, Tier } from './normal-form.ts'
import type { Layers } from './view.ts'

/** Where a verdict was made. `mode` is no tier: what an entry requires of how a connection is carried, asked of every allow. */
export type Layer = Tier | 'mode' | 'default'

export interface Verdict {
  readonly action: Action
  readonly layer: Layer
  /** The entry that decided; absent for isolation without a match and for the default. */
  readonly entry: PolicyEntry | undefined
  /** The policies that isolate the subject, for a denial by isolation; else empty. */
  readonly isolatedBy: readonly Policy[]
  /** The strictest mode that a matching entry requires. */
  readonly requiredMode: RequiredMode | undefined
}

/** One entry that was asked. */
export interface Step {
  readonly layer: Layer
  readonly entry: PolicyEntry
  readonly stage: Stage
  /** Why it did not match; empty when it did. */
  readonly why: string
}

export type Sink = (step: Step) => void

export function walk (layers: Layers, asked: Asked, sink?: Sink): Verdict {
  const verdict = tiers(layers, asked, sink)
  return verdict.action === 'allow' && layers.modes.length > 0 ? carriage(verdict, layers.modes, asked, sink) : verdict
}

function tiers (layers: Layers, asked: Asked, sink?: Sink): Verdict {
  return byFirst('admin', layers.admin, asked, sink) ??
    byFirst('access', layers.denies, asked, sink) ??
    byIsolation(layers, asked, sink) ??
    byFirst('baseline', layers.baseline, asked, sink) ??
    { action: 'allow', layer: 'default', entry: undefined, isolatedBy: [], requiredMode: undefined }
}

/** The first match wins; a pass, or no match, leaves the tier. */
function byFirst (layer: Layer, entries: readonly PolicyEntry[], asked: Asked, sink?: Sink): Verdict | undefined {
  const entry = firstMatch(layer, entries, asked, sink)
  return entry === undefined || entry.action === 'pass' ? undefined : { action: entry.action, layer, entry, isolatedBy: [], requiredMode: undefined }
}

/** An isolated subject takes only what some policy allows; one that is not isolated is left to the next tier. */
function byIsolation (layers: Layers, asked: Asked, sink?: Sink): Verdict | undefined {
  const { isolatedBy } = layers
  if (isolatedBy.length === 0) return undefined
  const entry = firstMatch('network', sink === undefined ? possible(layers, asked) : layers.allows, asked, sink)
  if (entry === undefined) return { action: 'deny', layer: 'network', entry, isolatedBy, requiredMode: undefined }
  return { action: 'allow', layer: entry.policy.kind === 'AccessPolicy' ? 'access' : 'network', entry, isolatedBy: [], requiredMode: undefined }
}

/** Leaves out entries that are only about another kind of peer; with a sink all are asked, to tell why they do not match. */
function possible (layers: Layers, { proven, address }: Asked): readonly PolicyEntry[] {
  if (proven === undefined) return layers.unprovenAllows
  return address === undefined ? layers.provenAllows : layers.allows
}

function firstMatch (layer: Layer, entries: readonly PolicyEntry[], asked: Asked, sink?: Sink): PolicyEntry | undefined {
  for (const entry of entries) {
    if (matches(layer, entry, asked, sink)) return entry
  }
  return undefined
}

function matches (layer: Layer, entry: PolicyEntry, asked: Asked, sink?: Sink): boolean {
  if (sink === undefined) return stageOf(entry, asked) === 'matched'
  const trace = new Trace()
  const stage = stageOf(entry, asked, trace)
  sink({ layer, entry, stage, why: stage === 'matched' ? '' : trace.take() })
  return stage === 'matched'
}

/** How strong each mode is; an entry's requirement is met by the same or a stronger one. */
const strength: Readonly<Record<Mode, number>> = { encrypt: 2, authenticate: 1, off: 0, plain: 0 }

/** The strictest requirement of the matching entries; denies what is allowed but not carried so. */
function carriage (verdict: Verdict, modes: readonly PolicyEntry[], asked: Asked, sink?: Sink): Verdict {
  let strictest: PolicyEntry | undefined
  for (const entry of modes) {
    if ((strictest === undefined || strengthOf(entry) > strengthOf(strictest)) && matches('mode', entry, asked, sink)) strictest = entry
  }
  if (strictest === undefined) return verdict
  const requiredMode = strictest.mode
  const { mode } = asked.question
  const met = mode === undefined || strength[mode] >= strengthOf(strictest)
  return met ? { ...verdict, requiredMode } : { action: 'deny', layer: 'mode', entry: strictest, isolatedBy: [], requiredMode }
}

function strengthOf ({ mode }: PolicyEntry): number {
  return mode === undefined ? 0 : strength[mode]
}
