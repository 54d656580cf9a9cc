/** The objects of a cluster of some size: as large as a kubelet's and a controller's objects are in a real one. Pure. */

export interface Sizes {
  /** Pods of the node whose agent is measured. */
  readonly here: number
  /** Pods of other nodes. */
  readonly elsewhere: number
}

export interface PodObject {
  readonly metadata: { readonly name: string, readonly namespace: string, readonly labels: Readonly<Record<string, string>>, readonly annotations: Readonly<Record<string, string>> }
  readonly [key: string]: unknown
}

export const here = 'bench-here'
export const elsewhere = 'bench-elsewhere'
/** On every object, so that they can be found and removed. */
export const mark = { 'liburna.io/bench': 'true' } as const
const podsInNamespace = 50

export function namespacesOf (sizes: Sizes): string[] {
  return Array.from({ length: Math.ceil((sizes.here + sizes.elsewhere) / podsInNamespace) }, (_, i) => `bench-${i}`)
}

/** Of the first namespaces are those that run here. */
export function podsOf (sizes: Sizes): PodObject[] {
  const pod = (i: number, node: string): PodObject => podObject(`web-${i}`, `bench-${Math.floor(i / podsInNamespace)}`, node)
  return [
    ...Array.from({ length: sizes.here }, (_, i) => pod(i, here)),
    ...Array.from({ length: sizes.elsewhere }, (_, i) => pod(sizes.here + i, elsewhere)),
  ]
}

function podObject (name: string, namespace: string, node: string): PodObject {
  const labels = { ...mark, 'app': name.replace(/-\d+$/, ''), 'team': namespace, 'pod-template-hash': '5d8f7c9b4d', 'app.kubernetes.io/version': '1.2.3' }
  const container = {
    name: 'main', image: 'registry.example/team/web:1.2.3', ports: [{ name: 'http', containerPort: 8080 }],
    env: Array.from({ length: 12 }, (_, i) => ({ name: `SETTING_${i}`, value: 'some value of an ordinary length' })),
    resources: { requests: { cpu: '1m', memory: '1Mi' } },
  }
  return {
    metadata: { name, namespace, labels, annotations: { 'example.com/checksum': 'c0ffee'.repeat(10) } },
    spec: { nodeName: node, serviceAccountName: 'default', automountServiceAccountToken: false, terminationGracePeriodSeconds: 0, tolerations: [{ operator: 'Exists' }], containers: [container] },
  }
}
