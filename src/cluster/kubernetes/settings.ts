/** The settings of facts from an API server: rows for the table in config.ts, where they stand under `kubernetes.`. */

import { choiceReader, flagReader, textReader } from '../../lib/settings.ts'
import type { Settings, Values } from '../../lib/settings.ts'

const path = textReader('path', 'a path', text => text !== '' && !text.includes('\0'))
const url = textReader('URL', 'a URL such as https://10.0.0.1:443', text => text === '' || /^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : ''))

const namespace = textReader('name', 'a name of lower-case letters, digits and -, at most 63 long', text => /^(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)?$/.test(text))

export const kubernetesSettings = {
  'server': { reader: url, default: '', meaning: 'API server, for a pod with a service account; needed when there is no kubeconfig' },
  'kubeconfig': { reader: textReader('path', 'a path', text => !text.includes('\0')), default: '', meaning: 'kubeconfig file instead of a service account; its current context counts' },
  'serviceAccount': { reader: path, default: '/var/run/secrets/kubernetes.io/serviceaccount', meaning: 'folder with token and ca.crt of the service account' },
  'namespace': { reader: namespace, default: '', meaning: 'namespace in which liburna itself runs: an agent that ends while it is being deleted takes everything of ours out of the pods; never by default' },
  'pods': { reader: choiceReader(['nri', 'proc']), default: 'nri', meaning: 'how network namespaces of pods are found: told by the container runtime before a container starts (NRI), or looked up under /proc afterwards' },
  'nri.socket': { reader: path, default: '/var/run/nri/nri.sock', meaning: 'socket of the container runtime for NRI plugins' },
  'nri.unarmed': { reader: choiceReader(['refuse', 'admit']), default: 'refuse', meaning: 'a pod that cannot be captured in time: it does not start (the kubelet tries again), or it starts uncaptured and is captured as soon as possible' },
  'podAnnotations': { reader: flagReader, default: true, meaning: 'whether pods may ask for exclusions and opt out by annotation' },
  'ownNode': { reader: choiceReader(['process', 'address', 'never']), default: 'process', meaning: 'what may enter a pod as its own node (probes of the kubelet): connections of a process of the node, whatever comes from an address of the node, or nothing' },
} as const satisfies Settings

export type KubernetesSettings = Values<typeof kubernetesSettings>
