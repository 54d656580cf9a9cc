/** Recorded flows -> the smallest set of policies that allows them. `suggest.ts` is the way, from roles to the proof. */

export { suggest } from './suggest.ts'
export { commentedPolicies, suggestionNotes, suggestionTable } from './text.ts'
export type { AlsoAllowed } from './proof.ts'
export type { Suggestion, SuggestOptions } from './suggest.ts'
export type { Evidence, SuggestDirection, SuggestedManifest } from './policies.ts'
