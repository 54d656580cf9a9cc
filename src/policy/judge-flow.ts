/** Both ends of a flow given as facts: what each of the two agents would decide. */

import { ipFrom } from '../model/address.ts'
import { withoutPolicy } from './decision.ts'
import type { Peer } from '../model/peer.ts'
import type { NamedPort } from '../model/workload.ts'
import type { PolicyDecision } from './decision.ts'
import type { Endpoint, Flow, WorkloadEndpoint } from './endpoint.ts'
import type { PolicyDirection } from './normal-form.ts'
import type { PeerFacts, Question } from './question.ts'
import type { PolicySet } from './store.ts'

export interface FlowJudgement {
  /** Both ends allow it. */
  readonly allowed: boolean
  readonly egress: PolicyDecision
  readonly ingress: PolicyDecision
}

/** Stands for an address that is not known; `facts.addressUnknown` is beside it. */
const noAddress = ipFrom('0.0.0.0')

export function judgeFlow (set: PolicySet, flow: Flow, nowMs: number): FlowJudgement {
  const egress = judge(set, questionOf(flow, 'egress', nowMs))
  const ingress = judge(set, questionOf(flow, 'ingress', nowMs))
  return { allowed: egress.action === 'allow' && ingress.action === 'allow', egress, ingress }
}

function judge (set: PolicySet, question: Question | undefined): PolicyDecision {
  return question === undefined ? withoutPolicy('default allow: the endpoint is external, no policy has it as its subject') : set.decide(question)
}

/** What the agent of the source (`egress`) or of the destination (`ingress`) asks; `undefined` where that end is external. */
export function questionOf ({ source, destination, protocol, port }: Flow, direction: PolicyDirection, nowMs: number): Question | undefined {
  const [subject, peer] = direction === 'egress' ? [source, destination] : [destination, source]
  if (subject.kind === 'external') return undefined
  return {
    direction,
    subject: subject.identity,
    peer: peerOf(peer),
    protocol,
    port,
    destinationPorts: portsOf(destination),
    nowMs,
    facts: { ...factsOf(peer), ...(subject.hostNetwork ? { subjectOnHostNetwork: true } : {}) },
  }
}

function peerOf (endpoint: Endpoint): Peer {
  const ip = endpoint.ip ?? noAddress
  return isPod(endpoint)
    ? { kind: 'verified', identity: endpoint.identity, ip, notAfterMs: Infinity }
    : { kind: 'unverified', reason: 'no-agent', ip }
}

function factsOf (endpoint: Endpoint): PeerFacts {
  if (endpoint.kind === 'external') return { domains: endpoint.domains, ...(endpoint.ip === undefined ? { addressUnknown: true } : {}) }
  const { ip, nodeLabels } = endpoint
  if (isPod(endpoint)) return ip === undefined ? {} : { podIp: ip }
  // A pod in its node's network is a node even when no label of the node is known.
  return { nodeLabels: nodeLabels ?? {}, ...(ip === undefined ? { addressUnknown: true } : {}) }
}

function isPod (endpoint: Endpoint): endpoint is WorkloadEndpoint {
  return endpoint.kind === 'workload' && !endpoint.hostNetwork
}

/** Named ports of the destination; an external one has none that we know. */
function portsOf (endpoint: Endpoint): readonly NamedPort[] {
  return endpoint.kind === 'workload' ? endpoint.identity.attributes.ports : []
}
