/**
 * What an agent asks and what the issuer answers: JSON over HTTPS, `POST /v1/certificates`.
 *
 *   {"pod": {"namespace", "name", "uid"}, "publicKey": SPKI, "ttlSeconds": n, "proof": signature}     (base64)
 *   {"chain": [leaf, intermediate], "notAfter": RFC 3339}                                                (DER in base64)
 *
 * The request says *which* pod and *which* key, and nothing else: there is no field in which an attribute could be
 * claimed, and one that is there nevertheless is refused. Namespace and name only say where to look; the uid decides.
 *
 * The proof is a signature (ECDSA, SHA-256) by the private key over all of the request, so nobody can have a
 * certificate made for a key of somebody else.
 */

import { createPublicKey, verify } from 'node:crypto'
import { IssuerError } from './error.ts'
import { isAllowedKey } from '../identity/index.ts'
import type { KeyObject } from 'node:crypto'
import type { Prove } from '../identity/index.ts'

/** Where the agents ask. */
export const certificatesPath = '/v1/certificates'
/** Largest request, bytes: names are at most 253 each, a P-384 key takes 120. */
export const maxRequestBytes = 4096
/** Largest answer, bytes: three certificates, the first with 16 KiB of attributes, in base64. */
export const maxAnswerBytes = 64 * 1024

/** Which pod. */
export interface PodName {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface CertificateRequest {
  readonly pod: PodName
  readonly publicKey: KeyObject
  readonly ttlMs: number
}

const maxKeyBytes = 256
const maxProofBytes = 160
const maxTtlSeconds = 366 * 86_400
const base64 = /^[A-Za-z0-9+/]+={0,2}$/
/** Names go into the path of a request to the API server, so nothing but names passes. */
const dnsName = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const uidText = /^[A-Za-z0-9-]{1,128}$/

export function encodeRequest (pod: PodName, publicKey: KeyObject, ttlMs: number, prove: Prove): string {
  const key = spkiOf(publicKey)
  const ttlSeconds = Math.floor(ttlMs / 1000)
  const proof = Buffer.from(prove(statementOf(pod, key, ttlSeconds))).toString('base64')
  const { namespace, name, uid } = pod
  return JSON.stringify({ pod: { namespace, name, uid }, publicKey: key.toString('base64'), ttlSeconds, proof })
}

/** Reads what a stranger wrote; throws `bad-request`, `unknown-field`, `bad-key` or `bad-proof`. */
export function parseRequest (body: Uint8Array): CertificateRequest {
  const { pod: written, publicKey, ttlSeconds, proof } = fieldsOf(jsonOf(body), ['pod', 'publicKey', 'ttlSeconds', 'proof'])
  const { namespace, name, uid } = fieldsOf(written, ['namespace', 'name', 'uid'])
  const pod = { namespace: textOf(namespace, dnsName), name: textOf(name, dnsName), uid: textOf(uid, uidText) }
  if (typeof ttlSeconds !== 'number' || !Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > maxTtlSeconds) throw bad('ttlSeconds is not a number of seconds')
  const der = bytesOf(publicKey, maxKeyBytes)
  const key = keyOf(der)
  if (!proves(key, statementOf(pod, der, ttlSeconds), bytesOf(proof, maxProofBytes))) throw new IssuerError('bad-proof', 'the signature is not by the key over this request')
  return { pod, publicKey: key, ttlMs: ttlSeconds * 1000 }
}

export function encodeAnswer (chain: readonly Uint8Array[], notAfterMs: number): string {
  return JSON.stringify({ chain: chain.map(der => Buffer.from(der).toString('base64')), notAfter: new Date(notAfterMs).toISOString() })
}

/** The chain; what it is worth the caller has to verify. Throws `bad-answer`. */
export function parseAnswer (text: string): readonly Uint8Array[] {
  try {
    const { chain } = JSON.parse(text) as { chain?: unknown } // looked at below
    if (!Array.isArray(chain) || chain.length === 0 || chain.length > 4) throw new Error('a chain of 1 to 4 certificates expected')
    return chain.map(certificate => {
      if (typeof certificate !== 'string' || !base64.test(certificate)) throw new Error('a certificate is not base64')
      return Buffer.from(certificate, 'base64')
    })
  } catch (cause) {
    throw new IssuerError('bad-answer', 'the issuer\'s answer cannot be read', { cause })
  }
}

/** What is signed as proof: a context of its own, then every field. */
function statementOf ({ namespace, name, uid }: PodName, key: Uint8Array, ttlSeconds: number): Uint8Array {
  return Buffer.from(`liburna certificate request v1\n${JSON.stringify([namespace, name, uid, ttlSeconds, Buffer.from(key).toString('base64')])}`)
}

function spkiOf (key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

function jsonOf (body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw bad('the body is not JSON')
  }
}

/** The fields of a map that has none but these. */
function fieldsOf<K extends string> (value: unknown, names: readonly K[]): Readonly<Partial<Record<K, unknown>>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('a map is expected')
  const stranger = Object.keys(value).find(key => !names.some(name => name === key))
  if (stranger !== undefined) throw new IssuerError('unknown-field', `the request holds ${JSON.stringify(stranger.slice(0, 64))}`)
  // All its keys are among the names, as was just checked.
  return value as Partial<Record<K, unknown>>
}

function textOf (value: unknown, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value)) throw bad('namespace, name or uid is none')
  return value
}

function bytesOf (value: unknown, most: number): Buffer {
  if (typeof value !== 'string' || value.length > most * 2 || !base64.test(value)) throw bad('key or proof is not base64, or too long')
  return Buffer.from(value, 'base64')
}

function keyOf (der: Buffer): KeyObject {
  let key: KeyObject
  try {
    key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    throw new IssuerError('bad-key', 'the public key cannot be read')
  }
  if (!isAllowedKey(key)) throw new IssuerError('bad-key', 'the public key is not on P-256 or P-384')
  return key
}

function proves (key: KeyObject, statement: Uint8Array, proof: Uint8Array): boolean {
  try {
    return verify('sha256', statement, key, proof)
  } catch {
    return false
  }
}

function bad (message: string): IssuerError {
  return new IssuerError('bad-request', message)
}
