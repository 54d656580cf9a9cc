/** Many parties in few words. */

import { hasBit, isEmpty, membersOf } from './bits.ts'
import type { Bits } from './bits.ts'
import type { Party } from './parties.ts'

/** Names that are told one by one before "and more" stands for the rest. */
const mostNames = 6

/**
 * Whole namespaces, all workloads and the whole outside by one phrase each, others by name. `beside` may be missing from
 * a whole: a pod is not its own peer.
 */
export function describeCrowd (crowd: Bits, parties: readonly (Party | undefined)[], beside?: Bits): string {
  const phrases: string[] = []
  const left = new Set(membersOf(crowd))
  const tell = (phrase: string, isPart: (party: Party) => boolean): void => {
    const members = parties.flatMap((party, i) => party !== undefined && isPart(party) ? [i] : [])
    const missing = members.filter(i => !hasBit(crowd, i))
    const isWhole = missing.every(i => beside !== undefined && hasBit(beside, i)) && members.length - missing.length > 1 && members.some(i => left.has(i))
    if (!isWhole) return
    phrases.push(missing.length > 0 ? phrase.replace('every', 'every other') : phrase)
    for (const i of members) left.delete(i)
  }
  tell('every workload', ({ endpoint }) => endpoint.kind === 'workload')
  for (const namespace of namespacesOf(left, parties)) tell(`every workload of ${namespace}`, party => party.namespace === namespace)
  tell('everything outside', ({ endpoint }) => endpoint.kind === 'external')
  const names = [...left].map(i => parties[i]?.name ?? '')
  const more = names.length > mostNames ? [`and ${names.length - mostNames + 1} more`] : []
  return [...phrases, ...(more.length > 0 ? names.slice(0, mostNames - 1) : names), ...more].join(', ')
}

export function namesIn (crowd: Bits, parties: readonly (Party | undefined)[]): string[] {
  return isEmpty(crowd) ? [] : membersOf(crowd).map(i => parties[i]?.name ?? '')
}

function namespacesOf (left: ReadonlySet<number>, parties: readonly (Party | undefined)[]): string[] {
  return [...new Set([...left].map(i => parties[i]?.namespace ?? ''))].filter(namespace => namespace !== '').sort()
}
