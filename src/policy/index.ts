/**
 * May this flow happen, and why. Pure: no I/O, no clock, no packages; README.md has the order of the tiers.
 *
 *     const { policies, invalid } = parseManifests(objects)   // any JSON; never throws
 *     const set = compile(policies)                           // a PolicyStore: takes single changes by apply()
 *     const { action, decidedBy, reason } = set.decide(question)
 *
 * Every kind of policy becomes one normal form (`Policy`, `PolicyEntry`). An invalid policy takes part as what keeps
 * its subject closed. `Question.subject` is remembered by object identity: a workload whose labels change needs a new
 * object.
 */

export { compile, PolicyStore } from './store.ts'
export { parseManifests } from './parse.ts'
export { fateOf, nameOf } from './decision.ts'
export { ask, entryMatchesPeer, formatPort } from './match.ts'
export { openLists } from './manifest-list.ts'
export { canonicalDomain, parseEndpoint, parseFlow } from './endpoint.ts'
export { workloadsIn } from './manifest-workloads.ts'
export { judgeFlow, questionOf } from './judge-flow.ts'
export { parseLabelSelector, parseSelector, selectsLabels } from './selector-text.ts'
export { formatSelector } from './selector.ts'
export { formatRef, showRef } from './normal-form.ts'
export { PolicyError } from './error.ts'
export type { PolicyErrorCode } from './error.ts'
export type { Endpoint, ExternalEndpoint, Flow, WorkloadEndpoint } from './endpoint.ts'
export type { ExplainedStep, Explanation } from './explain.ts'
export type { ManifestWorkload, ManifestWorkloads } from './manifest-workloads.ts'
export type { FlowJudgement } from './judge-flow.ts'
export type { Selector } from './selector.ts'
export type { ClusterName } from './match.ts'
export type { CompileOptions, PolicyChange, PolicySet } from './store.ts'
export type { Finding, InvalidObject, ParsedManifests, ParseOptions, ReadObjects } from './parse.ts'
export type { Miss, PolicyDecision } from './decision.ts'
export type { OnChange, Policy, PolicyDirection, PolicyEntry, PolicyRef, RequiredMode, Tier } from './normal-form.ts'
export type { PeerFacts, Question } from './question.ts'
