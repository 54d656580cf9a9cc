/** Files of a node: what containerd, the kubelet and kube-proxy are told. Paths are as the node sees them. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { serverUrl, writeKubeconfig } from './control-plane.ts'
import { pauseImage } from './busybox.ts'
import { podCidr } from './network.ts'
import { stateFolder } from './paths.ts'
import type { NodeName } from './network.ts'
import type { Snapshotter } from './images.ts'

/** Name of the pod network; host-local keeps its addresses in a folder of this name. */
export const podNetwork = 'pods'

export function writeNodeFiles (node: NodeName, snapshotter: Snapshotter): void {
  const run = join(stateFolder, node, 'run')
  mkdirSync(join(run, 'cni/net.d'), { recursive: true })
  writeFileSync(join(run, 'containerd.toml'), containerdConfig(snapshotter))
  writeFileSync(join(run, 'kubelet.yaml'), stringify(kubeletConfig))
  writeFileSync(join(run, 'proxy.yaml'), stringify(proxyConfig(node)))
  writeFileSync(join(run, 'cni/net.d/10-pods.conflist'), JSON.stringify(cniConfig, undefined, 2))
  // There is no name server: pods get a file that says so.
  writeFileSync(join(run, 'resolv.conf'), 'nameserver 127.0.0.1\n')
  writeKubeconfig(join(run, 'kubelet.kubeconfig'), `kubelet-${node}`, serverUrl)
  writeKubeconfig(join(run, 'proxy.kubeconfig'), `proxy-${node}`, serverUrl)
}

function containerdConfig (snapshotter: Snapshotter): string {
  return `\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "${snapshotter}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "${pauseImage}"

[plugins."io.containerd.cri.v1.runtime"]
  # Lowering it may be forbidden (in a container, for one); runc then fails with "can't get final child's PID from pipe".
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "/run/cni/net.d"

[plugins."io.containerd.nri.v1.nri"]
  disable = false
  socket_path = "/run/nri/nri.sock"
`
}

/** A bridge that hides its pods behind the node's address, and hostPort. */
const cniConfig = {
  cniVersion: '1.0.0',
  name: podNetwork,
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: podCidr }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
}

const kubeletConfig = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  // The API server comes without a certificate. Nobody but the cluster's own machines can reach this port.
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  cgroupDriver: 'cgroupfs',
  failCgroupV1: false,
  failSwapOn: false,
  enforceNodeAllocatable: [],
  localStorageCapacityIsolation: false,
  // A full disk or little memory of the machine that runs the tests is not what they are about.
  evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'nodefs.inodesFree': '0%', 'imagefs.available': '0%', 'imagefs.inodesFree': '0%' },
  imageGCHighThresholdPercent: 100,
  podLogsDir: '/var/log/pods',
  // Tests read what agents have recorded, all of it.
  containerLogMaxSize: '1Gi',
  resolvConf: '/run/resolv.conf',
  // Nobody answers there, and at once: better than an event for every pod, or a wait for every name.
  clusterDNS: ['127.0.0.1'],
  clusterDomain: 'cluster.local',
  volumePluginDir: '/var/lib/kubelet/plugins-volume',
  maxPods: 500,
  registerWithTaints: [],
}

function proxyConfig (node: NodeName): unknown {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    hostnameOverride: node,
    clientConnection: { kubeconfig: '/run/proxy.kubeconfig' },
    clusterCIDR: podCidr,
    // Zero leaves the settings of this machine's kernel alone.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  }
}
