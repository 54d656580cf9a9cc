/**
 * The one form that every kind of policy becomes before anything is computed.
 *
 * A `Policy` says whom it is about (`subject`), in which directions it isolates them, and holds `PolicyEntry`s in
 * order. Nothing in here knows Kubernetes field names; translators live in `kinds/`. It is plain data: it can be
 * compared, printed and tested by value.
 */

import type { Cidr } from '../model/cidr.ts'
import type { SecureMode } from '../model/mode.ts'
import type { Protocol } from '../model/workload.ts'
import type { Selector } from './selector.ts'

/** As Kubernetes names it, seen from the subject: `ingress` arrives at it, `egress` leaves it. */
export type PolicyDirection = 'ingress' | 'egress'

/** Where in the order a policy stands; see README.md for the picture. */
export type Tier = 'admin' | 'access' | 'network' | 'baseline'

/** Names one object. `namespace` is empty for cluster-scoped kinds. */
export interface PolicyRef {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

export interface Policy {
  readonly ref: PolicyRef
  readonly tier: Tier
  /** Lower comes first; means something in the tiers `admin` and `baseline` only. */
  readonly priority: number
  readonly subject: SubjectMatcher
  /** Directions in which a selected workload is isolated: only what an allow entry of `access` or `network` matches may flow. */
  readonly isolates: readonly PolicyDirection[]
  readonly entries: readonly PolicyEntry[]
  /** The whole policy, its isolation too, decides nothing and is only reported. */
  readonly observe: boolean
  /** Why the object behind it is invalid, when it is: the policy is then only what keeps its subject closed. Empty when valid. */
  readonly broken: string
}

/** One rule. It matches a connection when its time is active and one of `ports` and one of `peers` match. */
export interface PolicyEntry {
  readonly policy: PolicyRef
  /** Path inside the object, e.g. `ingress[0]`. */
  readonly rule: string
  /** The author's name for the rule or description of the policy; may be empty. */
  readonly description: string
  readonly direction: PolicyDirection
  /** `pass` leaves the tier. */
  readonly action: 'allow' | 'deny' | 'pass'
  readonly observe: boolean
  readonly peers: 'everyone' | readonly PeerMatcher[]
  readonly ports: 'every' | readonly PortMatcher[]
  /** What the connection must at least be carried by, whoever allows it. */
  readonly mode: RequiredMode | undefined
  /** What becomes of a live connection; see `fateOf`. */
  readonly onChange: OnChange | undefined
  readonly active: ActiveTime | undefined
}

/** What is required is met by it, or by more. */
export type RequiredMode = SecureMode

export type OnChange =
  | { readonly kind: 'close' }
  | { readonly kind: 'drain', readonly forMs: number }
  | { readonly kind: 'keep' }

/** When an entry takes part. Outside of it the entry matches nothing, but its policy still isolates. */
export interface ActiveTime {
  /** First millisecond, inclusive. */
  readonly fromMs: number
  /** End, exclusive: at this very millisecond it is over. */
  readonly untilMs: number
  /** Recurring windows in UTC; empty means always. */
  readonly weekly: readonly WeeklyWindow[]
}

export interface WeeklyWindow {
  /** Bit 0 is Sunday, as `Date.getUTCDay`. The day on which the window begins. */
  readonly days: number
  /** Minutes since midnight UTC; inclusive. */
  readonly startMinute: number
  /** Minutes since midnight UTC, exclusive; not after `startMinute` means on the next day. */
  readonly endMinute: number
}

/** Conditions that must all hold of the local workload; an absent one holds of every workload. */
export interface SubjectMatcher {
  readonly namespaces?: readonly string[]
  readonly namespaceLabels?: Selector
  readonly labels?: Selector
  readonly serviceAccounts?: readonly string[]
  readonly images?: readonly string[]
}

/** Whom an entry is about. A matcher never matches more than its kind says; see `match.ts`. */
export type PeerMatcher = WorkloadMatcher | AddressMatcher | NodeMatcher | DomainMatcher

/** A verified peer whose signed attributes meet all conditions. Never matches an unverified peer. */
export interface WorkloadMatcher {
  readonly kind: 'workload'
  /**
   * `same`: peers of the subject's own cluster, and of clusters for which sameness is configured.
   * `named`: peers of other clusters too, because the author named cluster, trust domain or SPIFFE ID.
   */
  readonly reach: 'same' | 'named'
  readonly namespaces?: readonly string[]
  readonly namespaceLabels?: Selector
  readonly labels?: Selector
  readonly serviceAccounts?: readonly string[]
  readonly spiffeIds?: readonly SpiffePattern[]
  readonly clusters?: readonly string[]
  readonly trustDomains?: readonly string[]
  readonly images?: readonly string[]
}

/** A SPIFFE ID in which `*` inside namespace and service account stands for any run of characters. */
export interface SpiffePattern {
  readonly text: string
  readonly trustDomain: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** A peer whose address is known to be its own and lies in `cidr` but in none of `except`. */
export interface AddressMatcher {
  readonly kind: 'address'
  readonly cidr: Cidr
  readonly except: readonly Cidr[]
}

/** A node (or a pod in its network) whose node labels are known. */
export interface NodeMatcher {
  readonly kind: 'node'
  readonly labels: Selector
}

/** An unverified peer whose address is known to belong to a name; `*.` stands for one or more labels. Lower case, no final dot. */
export interface DomainMatcher {
  readonly kind: 'domain'
  readonly pattern: string
}

/** `any` protocol only for named ports of the admin kinds, which do not say one. */
export type PortMatcher =
  | { readonly kind: 'range', readonly protocol: Protocol, readonly low: number, readonly high: number }
  | { readonly kind: 'named', readonly protocol: Protocol | 'any', readonly name: string }

/** `kind/namespace/name`: the key of an object. */
export function formatRef ({ kind, namespace, name }: PolicyRef): string {
  return `${kind}/${namespace}/${name}`
}

/** `NetworkPolicy shop/allow-web`, as people write it. */
export function showRef ({ kind, namespace, name }: PolicyRef): string {
  return namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

/** All valid ports of a protocol: container ports 1 to 65535, and 0, so that "all" leaves no gap. */
export function everyPortOf (protocol: Protocol): PortMatcher {
  return { kind: 'range', protocol, low: 0, high: 65535 }
}
