/** Every metric of the issuer, in this one file; as `metrics.ts` for the agent. */

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { lagPrecisionMs } from './metrics.ts'
import type { MetricsText } from './metrics.ts'

export class IssuerMetrics {
  readonly #registry = new Registry()
  readonly #requests
  readonly #roots
  readonly #ends
  readonly #failures
  readonly #kept
  readonly #federation

  constructor ({ version }: { version: string }) {
    const registers = [this.#registry]
    this.#requests = new Histogram({ name: 'liburna_issuer_request_seconds', help: 'Time of a request, by path and by how it ended: ok or the refusal.', labelNames: ['path', 'result'] as const, buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], registers })
    this.#roots = new Gauge({ name: 'liburna_issuer_roots', help: 'Roots of our own trust domain that are remembered.', registers })
    this.#ends = new Gauge({ name: 'liburna_issuer_not_after_seconds', help: 'End of the signer, and of the last root to end; seconds since the epoch.', labelNames: ['of'] as const, registers })
    this.#failures = new Counter({ name: 'liburna_issuer_keep_failures_total', help: 'Times that roots, signer or bundle could not be looked after.', registers })
    this.#kept = new Gauge({ name: 'liburna_issuer_last_kept_seconds', help: 'When roots, signer and bundle were last found or made right; seconds since the epoch.', registers })
    this.#federation = new Counter({ name: 'liburna_issuer_federation_total', help: 'Tries to get the bundle of another trust domain.', labelNames: ['trust_domain', 'result'] as const, registers })
    new Gauge({ name: 'liburna_build_info', help: 'Always 1; the labels tell what runs.', labelNames: ['version', 'role'] as const, registers }).set({ version, role: 'issuer' }, 1)
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: lagPrecisionMs })
  }

  /** @param path one of our own routes, or `unknown`. @param result `ok` or a code of the closed table of refusals. */
  requestEnded (path: string, result: string, seconds: number): void { this.#requests.observe({ path, result }, seconds) }

  kept ({ roots, rootEndsMs, signerEndsMs }: { roots: number, rootEndsMs: number, signerEndsMs: number }, nowMs: number): void {
    this.#roots.set(roots)
    this.#ends.set({ of: 'root' }, rootEndsMs / 1000)
    this.#ends.set({ of: 'signer' }, signerEndsMs / 1000)
    this.#kept.set(nowMs / 1000)
  }

  keepFailed (): void { this.#failures.inc() }

  /** @param trustDomain one of the settings. */
  federationTried (trustDomain: string, ok: boolean): void { this.#federation.inc({ trust_domain: trustDomain, result: ok ? 'ok' : 'failed' }) }

  /** Everything in the Prometheus text format. */
  async text (): Promise<MetricsText> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }
}
