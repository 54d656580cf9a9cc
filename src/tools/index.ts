/**
 * Questions about policy, answered from manifests and records: pure functions behind the commands of `liburna`.
 * README.md has the commands with examples. Everything is asked of `policy`; nothing here decides.
 */

export { defaultHome } from './context.ts'
export { diffOf } from './diff.ts'
export { diffMarkdown, diffText } from './diff-text.ts'
export { resolveEndpoint } from './endpoint-text.ts'
export { ToolError } from './error.ts'
export { evaluateDocument } from './evaluate.ts'
export { explainFlow, explanationText } from './explain.ts'
export { factsOf, inventoryOfFacts } from './facts.ts'
export { takeInventory } from './inventory.ts'
export { parsePort } from './port-text.ts'
export { jsonDocuments } from './json-stream.ts'
export { reachOf, reachText } from './reach.ts'
export { formatTable } from './table.ts'
export { validateManifests, validationText } from './validate.ts'
export type { ToolContext } from './context.ts'
export type { Diff, DiffAnswer, DiffGroup } from './diff.ts'
export type { NamedEndpoint } from './endpoint-text.ts'
export type { ToolErrorCode } from './error.ts'
export type { DirectionLine, Evaluation, FlowLine, InvalidLine } from './evaluate.ts'
export type { AskedFlow, ExplainedFlow } from './explain.ts'
export type { AgentFacts } from './facts.ts'
export type { Inventory } from './inventory.ts'
export type { Reach, ReachAnswer } from './reach.ts'
export type { PlacedObject, Validation } from './validate.ts'
