/** What the issuer needs of Kubernetes: four small interfaces, so that a test or another cluster can stand behind them. */

import type { Labels } from '../model/labels.ts'
import type { PodFacts } from '../cluster/index.ts'

/** What the API server says of a token (TokenReview, authentication.k8s.io/v1). */
export interface ReviewedToken {
  readonly authenticated: boolean
  /** Those of the asked audiences that the token is for. */
  readonly audiences: readonly string[]
  /** `system:serviceaccount:<namespace>:<name>` of a service account. */
  readonly username: string
  /** Facts about the token, such as the pod that it is bound to. */
  readonly extra: Readonly<Record<string, readonly string[]>>
  /** Why it is not authenticated, in the API server's words. */
  readonly error: string
}

/** Asks whether a token is good. Rejects with `kubernetes-failed` when nobody can say. */
export interface TokenReviewer {
  review (token: string, audience: string, signal: AbortSignal): Promise<ReviewedToken>
}

/**
 * Reads pods and namespaces. Every answer is as new as the API server's own (a quorum read): an agent that has
 * seen a label change gets a certificate with that change, and not one out of somebody's cache.
 */
export interface PodReader {
  pod (namespace: string, name: string, signal: AbortSignal): Promise<PodFacts | undefined>
  namespaceLabels (namespace: string, signal: AbortSignal): Promise<Labels | undefined>
}

/** A Secret or ConfigMap: texts by key, and the version that a later write replaces. */
export interface StoredData {
  readonly data: Readonly<Record<string, string>>
  readonly version: string
}

/** Named texts that several writers share, in one namespace. */
export interface DataStore {
  read (name: string, signal: AbortSignal): Promise<StoredData | undefined>
  /**
   * Replaces the whole of what was read as `version`; creates it when that is undefined. Resolves with the new version, or with
   * `undefined` when somebody else was first.
   */
  write (name: string, data: Readonly<Record<string, string>>, version: string | undefined, signal: AbortSignal): Promise<string | undefined>
}

/** Secrets: keys of authorities. */
export type SecretStore = DataStore
/** ConfigMaps: the trust bundle, for everybody to read. */
export type Publisher = DataStore
