/** The messages of containerd/nri pkg/api/api.proto (v0.11) that a plugin needs which only looks at sandboxes. */

import { decodeFields, encodeFields, messageOf, messagesOf, numberOf, textOf } from './protobuf.ts'
import type { Sandbox } from '../kubernetes/sandbox.ts'
import type { Fields } from './protobuf.ts'

export const pluginService = 'nri.pkg.api.v1alpha1.Plugin'
export const runtimeService = 'nri.pkg.api.v1alpha1.Runtime'

/** Values of `Event`. */
export const events = { runPodSandbox: 1, stopPodSandbox: 2, removePodSandbox: 3 } as const

/** `Configure`: what the runtime says of itself. */
export interface Configuration {
  /** `containerd 2.2.9` */
  readonly runtime: string
  /** How long it waits for an answer, ms; 0 when it does not say. */
  readonly requestTimeoutMs: number
}

/** `Synchronize`: what is there already, perhaps in several parts. */
export interface Synchronization {
  readonly sandboxes: readonly Sandbox[]
  readonly more: boolean
}

/** `StateChange`, for the events of `events`; others have an event that is none of them. */
export interface StateChange {
  readonly event: number
  readonly sandbox: Sandbox
}

/** A call by ttrpc, `ttrpc.Request`. */
export interface Call {
  readonly service: string
  readonly method: string
  readonly payload: Uint8Array
}

export function encodeCall ({ service, method, payload }: Call): Uint8Array {
  return encodeFields([[1, service], [2, method], [3, payload]])
}

export function decodeCall (bytes: Uint8Array): Call {
  const fields = decodeFields(bytes)
  const payload = fields.get(3)?.at(-1)
  return { service: textOf(fields, 1), method: textOf(fields, 2), payload: payload instanceof Uint8Array ? payload : new Uint8Array() }
}

/** `ttrpc.Response` with a payload. */
export function encodeReply (payload: Uint8Array): Uint8Array {
  return encodeFields([[2, payload]])
}

/** `ttrpc.Response` with a status; codes are gRPC's. */
export function encodeFailure (code: number, message: string): Uint8Array {
  return encodeFields([[1, encodeFields([[1, code], [2, message]])]])
}

/** What went wrong, of a `ttrpc.Response`; `undefined` when nothing did. */
export function failureIn (bytes: Uint8Array): string | undefined {
  const status = messageOf(decodeFields(bytes), 1)
  return numberOf(status, 1) === 0 ? undefined : `${numberOf(status, 1)} ${textOf(status, 2)}`.slice(0, 300)
}

/** @param index two digits; plugins are called in this order. */
export function encodeRegistration (name: string, index: string): Uint8Array {
  return encodeFields([[1, name], [2, index]])
}

export function decodeConfiguration (bytes: Uint8Array): Configuration {
  const fields = decodeFields(bytes)
  return { runtime: `${textOf(fields, 2)} ${textOf(fields, 3)}`, requestTimeoutMs: numberOf(fields, 5) }
}

/** The answer to `Configure`: which events we want; zero would mean all. */
export function encodeSubscription (wanted: readonly number[]): Uint8Array {
  return encodeFields([[2, wanted.reduce((mask, event) => mask | 1 << event - 1, 0)]])
}

export function decodeSynchronization (bytes: Uint8Array): Synchronization {
  const fields = decodeFields(bytes)
  return { sandboxes: messagesOf(fields, 1).map(sandboxOf), more: numberOf(fields, 3) !== 0 }
}

/** The answer to `Synchronize` has to repeat whether more is to come. */
export function encodeSynchronized (more: boolean): Uint8Array {
  return encodeFields([[2, more ? 1 : 0]])
}

export function decodeStateChange (bytes: Uint8Array): StateChange {
  const fields = decodeFields(bytes)
  return { event: numberOf(fields, 1), sandbox: sandboxOf(messageOf(fields, 2)) }
}

/** `PodSandbox`. A sandbox in the node's network has no namespace of type `network`. */
function sandboxOf (fields: Fields): Sandbox {
  const network = messagesOf(messageOf(fields, 8), 5).find(namespace => textOf(namespace, 1) === 'network')
  return { id: textOf(fields, 1), uid: textOf(fields, 3), namespace: textOf(fields, 4), name: textOf(fields, 2), netns: network === undefined ? '' : textOf(network, 2) }
}
