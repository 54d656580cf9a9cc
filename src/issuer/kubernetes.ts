/** The issuer's four interfaces over the API server. Everything that the issuer asks Kubernetes is in this file. */

import { IssuerError } from './error.ts'
import { ClusterError, podFactsOf } from '../cluster/index.ts'
import type { Api, PodFacts } from '../cluster/index.ts'
import type { Labels } from '../model/labels.ts'
import type { DataStore, PodReader, ReviewedToken, StoredData, TokenReviewer } from './sources.ts'

/** TokenReview (authentication.k8s.io/v1). Needs `create` on `tokenreviews`. */
export function apiTokenReviewer (api: Api): TokenReviewer {
  return {
    async review (token, audience, signal) {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [audience] } }
      return reviewOf(await asked(api.request('/apis/authentication.k8s.io/v1/tokenreviews', { method: 'POST', body, signal })))
    },
  }
}

/** Needs `get` on `pods` and `namespaces`. Without a resourceVersion the answer is the newest there is. */
export function apiPodReader (api: Api): PodReader {
  return {
    async pod (namespace, name, signal): Promise<PodFacts | undefined> {
      return podFactsOf(await found(api.request(`/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`, { signal })))
    },
    async namespaceLabels (namespace, signal): Promise<Labels | undefined> {
      const object = await found(api.request(`/api/v1/namespaces/${encodeURIComponent(namespace)}`, { signal }))
      return object === undefined ? undefined : textsOf(fieldOf(fieldOf(object, 'metadata'), 'labels'))
    },
  }
}

/**
 * Secrets or ConfigMaps of one namespace. Needs `create`, and `get` and `patch` on the names that are used. A patch that names the version
 * which it replaces is refused when there is another one by now.
 */
export function apiDataStore (api: Api, resource: 'secrets' | 'configmaps', namespace: string, labels: Labels): DataStore {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/${resource}`
  const kind = resource === 'secrets' ? 'Secret' : 'ConfigMap'
  const [decode, encode] = resource === 'secrets' ? [fromBase64, toBase64] : [same, same]
  /** What is in the object now, so that a patch can take out what shall not stay. */
  const lastKeys = new Map<string, readonly string[]>()
  return {
    async read (name, signal): Promise<StoredData | undefined> {
      const object = await found(api.request(`${path}/${encodeURIComponent(name)}`, { signal }))
      if (object === undefined) return undefined
      const data = mapTexts(textsOf(fieldOf(object, 'data')), decode)
      lastKeys.set(name, Object.keys(data))
      return { data, version: versionOf(object) }
    },
    async write (name, data, version, signal): Promise<string | undefined> {
      const written = mapTexts(data, encode)
      const object = version === undefined
        ? await unless(409, api.request(path, { method: 'POST', body: { apiVersion: 'v1', kind, metadata: { name, labels }, data: written }, signal }))
        : await unlessChanged(api.request(`${path}/${encodeURIComponent(name)}`, { method: 'PATCH', contentType: 'application/merge-patch+json', body: { metadata: { resourceVersion: version }, data: { ...gone(lastKeys.get(name) ?? [], data), ...written } }, signal }))
      return object === undefined ? undefined : versionOf(object)
    },
  }
}

/** In a merge patch (RFC 7396) null takes a key out. */
function gone (before: readonly string[], now: Readonly<Record<string, string>>): Readonly<Record<string, null>> {
  return Object.fromEntries(before.filter(key => !Object.hasOwn(now, key)).map(key => [key, null]))
}

function reviewOf (object: unknown): ReviewedToken {
  const status = fieldOf(object, 'status')
  const user = fieldOf(status, 'user')
  const extra = fieldOf(user, 'extra')
  return {
    authenticated: fieldOf(status, 'authenticated') === true,
    audiences: listOf(fieldOf(status, 'audiences')),
    username: textOf(fieldOf(user, 'username')),
    extra: typeof extra === 'object' && extra !== null ? Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, listOf(values)])) : {},
    error: textOf(fieldOf(status, 'error')),
  }
}

/** `undefined` when there is no such object. */
async function found (answer: Promise<unknown>): Promise<unknown> {
  return unless(404, answer)
}

/** `undefined` when somebody else was first: 409 for a version that is no longer, 404 for an object that is gone. */
async function unlessChanged (answer: Promise<unknown>): Promise<unknown> {
  return unless(404, unless(409, answer))
}

async function unless (status: number, answer: Promise<unknown>): Promise<unknown> {
  try {
    return await asked(answer)
  } catch (error) {
    if (error instanceof IssuerError && error.cause instanceof ClusterError && error.cause.status === status) return undefined
    throw error
  }
}

async function asked (answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer
  } catch (cause) {
    if (cause instanceof ClusterError) throw new IssuerError('kubernetes-failed', cause.message, { cause })
    throw cause
  }
}

function versionOf (object: unknown): string {
  const version = textOf(fieldOf(fieldOf(object, 'metadata'), 'resourceVersion'))
  if (version === '') throw new IssuerError('kubernetes-failed', 'an object without a version')
  return version
}

function fieldOf (value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Readonly<Record<string, unknown>>)[key] : undefined // it has it
}

function textOf (value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function listOf (value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(each => typeof each === 'string') : []
}

function textsOf (value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

function mapTexts (texts: Readonly<Record<string, string>>, change: (text: string) => string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, change(text)]))
}

function fromBase64 (text: string): string { return Buffer.from(text, 'base64').toString() }
function toBase64 (text: string): string { return Buffer.from(text).toString('base64') }
function same (text: string): string { return text }
