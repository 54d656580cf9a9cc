/** Kubernetes labels: plain data. Selectors live in `policy`. */

export type Labels = Readonly<Record<string, string>>

/** The label that Kubernetes puts on every namespace (KEP-2161). */
export const namespaceNameLabel = 'kubernetes.io/metadata.name'

/** `a=1,b=2`, sorted, for people and for keys. */
export function formatLabels (labels: Labels): string {
  return Object.keys(labels).sort().map(key => `${key}=${labels[key] ?? ''}`).join(',')
}
