/**
 * Who may connect to whom, for all pairs of many parties at once.
 *
 * Every answer is `PolicySet.decide`'s. What makes it fast is to ask only once for peers that no rule of the subject
 * tells apart, and once for subjects that the same policies select: a thousand workloads and a thousand policies are a
 * million pairs, but only some thousand questions.
 */

import { ask, entryMatchesPeer, formatRef, questionOf } from '../policy/index.ts'
import { addBits, bitsWhere, emptyBits, firstOf, hasBit, isEmpty, membersOf, refine, setBit } from './bits.ts'
import type { NamedPort, Protocol } from '../model/workload.ts'
import type { Endpoint, Flow, Policy, PolicyDirection, PolicyEntry, PolicySet } from '../policy/index.ts'
import type { Bits } from './bits.ts'
import type { ToolContext } from './context.ts'
import type { Party } from './parties.ts'

type Asked = ReturnType<typeof ask>

/** What subjects have in common that get the same answers about every peer. */
interface Group {
  readonly number: number
  readonly entries: Readonly<Record<PolicyDirection, readonly PolicyEntry[]>>
}

export class Reachability {
  readonly parties: readonly (Party | undefined)[]
  readonly #set: PolicySet
  readonly #context: ToolContext
  readonly #present: Bits
  readonly #groups: readonly (Group | undefined)[]
  /** By direction, protocol and port, then by group. */
  readonly #rows = new Map<string, (Bits | undefined)[]>()
  /** By direction, then by group. */
  readonly #classes: Readonly<Record<PolicyDirection, (readonly Bits[])[]>> = { ingress: [], egress: [] }
  readonly #asked = new Map<string, readonly (Asked | undefined)[]>()
  readonly #matches = new Map<string, Bits>()
  readonly #keys = new Map<PolicyEntry['peers'], string>()

  /** A place without a party keeps the numbers of the others; nobody there talks. */
  constructor (set: PolicySet, parties: readonly (Party | undefined)[], context: ToolContext) {
    this.parties = parties
    this.#set = set
    this.#context = context
    this.#present = bitsWhere(parties.length, i => parties[i] !== undefined)
    this.#groups = groupsOf(parties, set)
  }

  /** Those who may connect to `destination`, by both ends' policies. The outside does not connect to itself. */
  sources (destination: number, protocol: Protocol, port: number): Bits {
    const leaving = this.#rowsOf('egress', protocol, port)
    const entering = this.#row(this.#rowsOf('ingress', protocol, port), destination, 'ingress', protocol, port)
    const sources = emptyBits(this.parties.length)
    for (const i of membersOf(entering)) {
      if (this.#mayMeet(i, destination) && hasBit(this.#row(leaving, i, 'egress', protocol, port), destination)) setBit(sources, i)
    }
    return sources
  }

  /** Whether `source` may connect to `destination`, by both ends' policies. */
  allows (source: number, destination: number, protocol: Protocol, port: number): boolean {
    const asked = (subject: number, direction: PolicyDirection): Bits => this.#row(this.#rowsOf(direction, protocol, port), subject, direction, protocol, port)
    return this.#mayMeet(source, destination) && hasBit(asked(destination, 'ingress'), source) && hasBit(asked(source, 'egress'), destination)
  }

  #mayMeet (source: number, destination: number): boolean {
    const [from, to] = [this.parties[source], this.parties[destination]]
    if (from === undefined || to === undefined || (from.endpoint.kind === 'external' && to.endpoint.kind === 'external')) return false
    return source !== destination || to.several
  }

  #rowsOf (direction: PolicyDirection, protocol: Protocol, port: number): (Bits | undefined)[] {
    const key = `${direction} ${protocol} ${port}`
    const known = this.#rows.get(key) ?? []
    this.#rows.set(key, known)
    return known
  }

  /** The peers that `subject`'s own policies let it connect to (egress) or be reached by (ingress). */
  #row (rows: (Bits | undefined)[], subject: number, direction: PolicyDirection, protocol: Protocol, port: number): Bits {
    const group = this.#groups[subject]
    if (group === undefined) return emptyBits(this.parties.length)
    return rows[group.number] ??= this.#askRow(subject, group, direction, protocol, port)
  }

  #askRow (subject: number, group: Group, direction: PolicyDirection, protocol: Protocol, port: number): Bits {
    const row = emptyBits(this.parties.length)
    for (const one of this.#byNamedPort(this.#peerClasses(subject, group, direction), group, direction, protocol, port)) {
      const question = this.#question(subject, firstOf(one), direction, protocol, port)
      if (question === undefined || this.#set.decide(question).action === 'allow') addBits(row, one)
    }
    return row
  }

  #question (subject: number, peer: number, direction: PolicyDirection, protocol: Protocol, port: number): ReturnType<typeof questionOf> {
    const [own, other] = [this.parties[subject]?.endpoint, this.parties[peer]?.endpoint]
    if (own === undefined || other === undefined) return undefined
    return questionOf(flowOf(own, other, direction, protocol, port), direction, this.#context.nowMs)
  }

  /** Peers that no rule of the group tells apart by who they are. */
  #peerClasses (subject: number, { number, entries }: Group, direction: PolicyDirection): readonly Bits[] {
    const all = isEmpty(this.#present) ? [] : [this.#present]
    return this.#classes[direction][number] ??= entries[direction].reduce<readonly Bits[]>((parts, entry) => refine(parts, this.#peersOf(entry, subject)), all)
  }

  /** For egress a named port is the peer's: peers that give the port other names are told apart. */
  #byNamedPort (classes: readonly Bits[], { entries }: Group, direction: PolicyDirection, protocol: Protocol, port: number): readonly Bits[] {
    const isNamed = ({ ports }: PolicyEntry): boolean => ports !== 'every' && ports.some(({ kind }) => kind === 'named')
    if (direction === 'ingress' || !entries.egress.some(isNamed)) return classes
    const namesOf = (party: Party | undefined): string[] => namedPorts(party).filter(one => one.protocol === protocol && one.port === port).map(({ name }) => name)
    const names = new Set(this.parties.flatMap(namesOf))
    return [...names].reduce((parts, name) => refine(parts, bitsWhere(this.parties.length, i => namesOf(this.parties[i]).includes(name))), classes)
  }

  /** The parties whom the entry is about, seen from the cluster of `subject`. Entries that write the same peers share them. */
  #peersOf (entry: PolicyEntry, subject: number): Bits {
    const home = homeOf(this.parties[subject])
    const peers = this.#keys.get(entry.peers) ?? JSON.stringify(entry.peers)
    this.#keys.set(entry.peers, peers)
    const known = this.#matches.get(`${home} ${peers}`)
    if (known !== undefined) return known
    const asked = this.#askedFrom(home, subject)
    const bits = bitsWhere(this.parties.length, i => isAbout(entry, asked[i]))
    this.#matches.set(`${home} ${peers}`, bits)
    return bits
  }

  #askedFrom (home: string, subject: number): readonly (Asked | undefined)[] {
    const known = this.#asked.get(home)
    if (known !== undefined) return known
    const asked = this.parties.map((_, i) => {
      const question = this.#question(subject, i, 'ingress', 'TCP', 1)
      return question === undefined ? undefined : ask(question, this.#context.sameness)
    })
    this.#asked.set(home, asked)
    return asked
  }
}

function isAbout (entry: PolicyEntry, asked: Asked | undefined): boolean {
  return asked !== undefined && entryMatchesPeer(entry, asked)
}

/** A flow as seen from its subject. */
function flowOf (subject: Endpoint, peer: Endpoint, direction: PolicyDirection, protocol: Protocol, port: number): Flow {
  const [source, destination] = direction === 'egress' ? [subject, peer] : [peer, subject]
  return { source, destination, protocol, port }
}

/** Who has the same policies, cluster and named ports is one group. */
function groupsOf (parties: readonly (Party | undefined)[], set: PolicySet): (Group | undefined)[] {
  const groups = new Map<string, Group>()
  return parties.map(party => {
    if (party === undefined) return undefined
    const { endpoint } = party
    const policies = endpoint.kind === 'external' ? [] : set.selecting(endpoint.identity)
    const hostNetwork = endpoint.kind === 'workload' && endpoint.hostNetwork
    const key = JSON.stringify([homeOf(party), hostNetwork, namedPorts(party), policies.map(({ ref }) => formatRef(ref))])
    const group = groups.get(key) ?? { number: groups.size, entries: { ingress: entriesOf(policies, 'ingress'), egress: entriesOf(policies, 'egress') } }
    groups.set(key, group)
    return group
  })
}

function namedPorts (party: Party | undefined): readonly NamedPort[] {
  return party?.endpoint.kind === 'workload' ? party.endpoint.identity.attributes.ports : []
}

function entriesOf (policies: readonly Policy[], direction: PolicyDirection): PolicyEntry[] {
  return policies.filter(({ observe }) => !observe).flatMap(({ entries }) => entries).filter(entry => entry.direction === direction && !entry.observe)
}

function homeOf (party: Party | undefined): string {
  return party?.endpoint.kind === 'workload' ? `${party.endpoint.identity.spiffeId.trustDomain}/${party.endpoint.identity.attributes.cluster}` : ''
}
