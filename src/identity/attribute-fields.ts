/** What reader and writer of the attributes agree on: bounds, order, and what a text may hold. */

import type { NamedPort, Protocol } from '../model/workload.ts'

/** Index = the number on the wire. */
export const protocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP']

/** Most bytes of a text, by field: those of Kubernetes where it has one, else generous. */
export const textBounds = {
  cluster: 255, namespace: 253, name: 253, uid: 128, ownerKind: 63, ownerName: 253,
  labelKey: 317, labelValue: 255, portName: 63, image: 255,
} as const

/** A text of the attributes that has a bound. */
export type TextField = keyof typeof textBounds

/** Most entries of a list, by field. */
export const countBounds = { labels: 1024, ports: 256, images: 128 } as const

// Control characters are the point here: they forge lines in logs and terminals, and Kubernetes has none of them.
const controls = /[\u0000-\u001f\u007f-\u009f]/

/** Whether the text can be signed: well-formed Unicode without control characters. */
export function isSignableText (text: string): boolean {
  return text.isWellFormed() && !controls.test(text)
}

/** The order of the UTF-8 bytes, which is that of the code points and not that of `<`. */
export function compareText (a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** By name, then protocol, then number. */
export function comparePorts (a: NamedPort, b: NamedPort): number {
  return compareText(a.name, b.name) || protocols.indexOf(a.protocol) - protocols.indexOf(b.protocol) || a.port - b.port
}
