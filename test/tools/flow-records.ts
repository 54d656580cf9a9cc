/** Flow records for the tools, as agents write them, and at random. */

import fc from 'fast-check'
import type { Arbitrary } from 'fast-check'

export interface EndSpec {
  readonly namespace?: string
  readonly name?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly serviceAccount?: string
  readonly cluster?: string
  readonly trustDomain?: string
  /** Makes it an address outside. */
  readonly external?: string
}

interface RecordSpec {
  readonly verdict?: 'allowed' | 'denied' | 'undecided'
  readonly direction?: 'inbound' | 'outbound'
  readonly flow?: string
  readonly time?: string
  readonly peer?: string
}

/** One record, with all its fields. */
export function record (source: EndSpec, destination: EndSpec, port: number, { verdict = 'allowed', direction = 'outbound', flow = 'f1', time = '2026-11-20T10:00:00.000Z', peer = 'verified' }: RecordSpec = {}): object {
  const address = destination.external === undefined ? `10.0.0.2:${port}` : at(destination.external, port)
  return {
    time, flow, node: 'alpha', direction, mode: 'encrypt', source: endOf(source, 40000), destination: endOf(destination, port),
    originalDestination: address, realDestination: destination.external === undefined ? address : '', peer, verdict, decidedBy: 'default', reason: '', peerLabels: [],
    observed: '', outcome: 'completed', detail: '', bytesSent: 1, bytesReceived: 1, establishMs: 1, durationMs: 1,
  }
}

function endOf ({ namespace = 'shop', name = 'pod', labels = {}, serviceAccount = 'default', cluster = 'east', trustDomain = 'east.example', external }: EndSpec, port: number): object {
  if (external !== undefined) return { spiffeId: '', cluster: '', namespace: '', name: '', labels: {}, address: at(external, port) }
  return { spiffeId: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`, cluster, namespace, name, labels, address: at('10.0.0.2', port) }
}

function at (ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

const label = fc.dictionary(fc.constantFrom('app', 'tier'), fc.constantFrom('a', 'b', 'c'), { maxKeys: 2 })
const workload = fc.record({
  namespace: fc.constantFrom('shop', 'ops'),
  serviceAccount: fc.constantFrom('default', 'other'),
  labels: fc.tuple(label, fc.option(fc.constantFrom('x-0', 'x-1'))).map(([labels, pod]) => pod === null ? labels : { ...labels, 'statefulset.kubernetes.io/pod-name': pod }),
})
const here = workload.map((end): EndSpec => end)
const elsewhere = workload.map((end): EndSpec => ({ ...end, cluster: 'west', trustDomain: 'west.example' }))
const outside = fc.constantFrom<EndSpec>({ external: '203.0.113.9' }, { external: '2001:db8::7' })
const other = fc.oneof({ weight: 5, arbitrary: here }, { weight: 1, arbitrary: elsewhere }, { weight: 1, arbitrary: outside })
const port = fc.constantFrom(80, 443, 5432)

/** Connections from or to pods of the own cluster, most of them allowed. */
export const someRecords: Arbitrary<object[]> = fc.array(fc.tuple(here, other, port, fc.boolean(), fc.constantFrom('allowed', 'allowed', 'denied')), { minLength: 1, maxLength: 10 })
  .map(list => list.map(([own, peer, port, isSource, verdict]) => isSource ? record(own, peer, port, { verdict: verdict as 'allowed' }) : record(peer, own, port, { verdict: verdict as 'allowed', direction: 'inbound' }))) // one of the three
