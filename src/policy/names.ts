/**
 * What Kubernetes accepts as a name, a label or a port name. Each function returns why a text is refused, or
 * `undefined` when it is fine. Rules: k8s.io/apimachinery/pkg/util/validation/validation.go.
 */

const labelNamePattern = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/
const dnsLabelPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const subdomainPattern = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/
/** The pattern of ClusterNetworkPolicy v1alpha2 `DomainName`: `*.` stands for one or more whole labels. */
const domainPattern = /^(\*\.)?([a-z0-9]([a-z0-9_-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9_-]*[a-z0-9])?\.?$/i

/** DNS subdomains hold at most 253 characters (RFC 1123). */
const maxSubdomain = 253

/** A label key: an optional DNS subdomain and `/`, then a name of at most 63 characters. */
export function whyNotLabelKey (key: string): string | undefined {
  const parts = key.split('/')
  if (parts.length > 2) return 'a label key has at most one "/"'
  const [prefix, name] = parts.length === 2 ? parts : [undefined, key]
  if (prefix !== undefined && whyNotSubdomain(prefix) !== undefined) return 'the prefix of a label key is a lower case DNS subdomain'
  if (labelNamePattern.test(name ?? '')) return undefined
  return 'the name of a label key is 1 to 63 letters, digits, "-", "_" or ".", beginning and ending with a letter or digit'
}

/** A label value: empty, or as the name of a label key. */
export function whyNotLabelValue (value: string): string | undefined {
  return value === '' || labelNamePattern.test(value)
    ? undefined
    : 'a label value is empty or 1 to 63 letters, digits, "-", "_" or ".", beginning and ending with a letter or digit'
}

/** A namespace name (RFC 1123 label). */
export function whyNotNamespace (name: string): string | undefined {
  return dnsLabelPattern.test(name) ? undefined : 'a namespace name is 1 to 63 lower case letters, digits or "-", beginning and ending with a letter or digit'
}

/** The name of most objects (RFC 1123 subdomain). */
export function whyNotSubdomain (name: string): string | undefined {
  return name.length <= maxSubdomain && subdomainPattern.test(name) ? undefined : 'a name is a lower case DNS subdomain of at most 253 characters'
}

/** The name of a container port (IANA service name, RFC 6335 section 5.1, lower case). */
export function whyNotPortName (name: string): string | undefined {
  const fine = name.length <= 15 && /^[a-z0-9-]+$/.test(name) && /[a-z]/.test(name) && !name.includes('--') && !name.startsWith('-') && !name.endsWith('-')
  return fine ? undefined : 'a port name is 1 to 15 lower case letters, digits or single "-" inside, with at least one letter'
}

/** A domain name or `*.` and a domain name. */
export function whyNotDomain (name: string): string | undefined {
  return name.length <= maxSubdomain + 2 && domainPattern.test(name) ? undefined : 'a domain name has at least two labels; "*." may stand at its beginning only'
}
