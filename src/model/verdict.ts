/** What policy said of one direction of one connection. */

export type Action = 'allow' | 'deny'

/** The entry that decided, in words a person can find: `NetworkPolicy shop/allow-web ingress[0]`, or a default. */
export interface RuleName {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** Path of the rule inside the object, e.g. `ingress[0]`; empty for the object's isolation as such. */
  readonly rule: string
}

/** What an observe rule would have done. */
export interface Observation {
  readonly action: Action
  readonly decidedBy: RuleName
}

export interface Decision {
  readonly action: Action
  readonly decidedBy: RuleName
  /** One sentence, lower case, no final period. */
  readonly reason: string
  readonly observed: Observation | undefined
  /** Keys of the peer's labels that it depended on; sorted. */
  readonly peerLabels: readonly string[]
}

export function formatRuleName ({ kind, namespace, name, rule }: RuleName): string {
  return [kind, [namespace, name].filter(part => part !== '').join('/'), rule].filter(part => part !== '').join(' ')
}
