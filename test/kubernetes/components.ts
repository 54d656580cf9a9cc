/** The parts of Kubernetes as a table: where each runs, its command line, and what it needs. Pure data. */

import { inside } from './control-plane.ts'
import { addressOf, nodeNames, podCidr, serviceCidr } from './network.ts'
import type { MachineName, NodeName } from './network.ts'

export type ComponentName = 'etcd' | 'apiserver' | 'controller-manager' | 'scheduler' | `${'containerd' | 'kubelet' | 'proxy'}-${NodeName}`

export interface Component {
  readonly name: ComponentName
  readonly machine: MachineName
  readonly command: readonly string[]
}

/** In the order in which they start. */
export const components: readonly Component[] = [
  { name: 'etcd', machine: 'cp', command: etcd() },
  { name: 'apiserver', machine: 'cp', command: apiserver() },
  { name: 'controller-manager', machine: 'cp', command: controllerManager() },
  { name: 'scheduler', machine: 'cp', command: ['kube-scheduler', `--kubeconfig=${inside}/scheduler.kubeconfig`, '--leader-elect=false'] },
  ...nodeNames.map((node): Component => ({ name: `containerd-${node}`, machine: node, command: ['containerd', '--config=/run/containerd.toml'] })),
  ...nodeNames.map((node): Component => ({ name: `kubelet-${node}`, machine: node, command: kubelet(node) })),
  ...nodeNames.map((node): Component => ({ name: `proxy-${node}`, machine: node, command: ['kube-proxy', '--config=/run/proxy.yaml'] })),
]

export function componentOf (name: ComponentName): Component {
  const component = components.find(each => each.name === name)
  if (component === undefined) throw new TypeError(`there is no component ${name}`)
  return component
}

function etcd (): string[] {
  const [client, peer] = ['http://127.0.0.1:2379', 'http://127.0.0.1:2380']
  return ['etcd', '--data-dir=/var/lib/etcd', `--listen-client-urls=${client}`, `--advertise-client-urls=${client}`, `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=default=${peer}`, '--logger=zap', '--log-outputs=stderr',
    // The API server's bookmarks are as fresh as this; etcd's own default is ten minutes.
    '--experimental-watch-progress-notify-interval=5s']
}

function apiserver (): string[] {
  return ['kube-apiserver', '--etcd-servers=http://127.0.0.1:2379', `--advertise-address=${addressOf('cp')}`, '--secure-port=6443', `--cert-dir=${inside}/certs`,
    `--token-auth-file=${inside}/tokens.csv`, '--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction',
    '--service-account-issuer=https://kubernetes.default.svc', `--service-account-key-file=${inside}/sa.key`, `--service-account-signing-key-file=${inside}/sa.key`,
    `--service-cluster-ip-range=${serviceCidr}`, '--kubelet-preferred-address-types=InternalIP', '--allow-privileged=true']
}

/** Without node-ipam: it would insist on a pod range of its own for every node. */
function controllerManager (): string[] {
  return ['kube-controller-manager', `--kubeconfig=${inside}/controller-manager.kubeconfig`, '--leader-elect=false', '--controllers=*,-node-ipam-controller', `--cluster-cidr=${podCidr}`,
    `--service-account-private-key-file=${inside}/sa.key`, `--root-ca-file=${inside}/certs/apiserver.crt`, '--use-service-account-credentials=true']
}

function kubelet (node: NodeName): string[] {
  return ['kubelet', '--config=/run/kubelet.yaml', '--kubeconfig=/run/kubelet.kubeconfig', `--hostname-override=${node}`, `--node-ip=${addressOf(node)}`,
    '--root-dir=/var/lib/kubelet', '--cert-dir=/var/lib/kubelet/pki']
}
