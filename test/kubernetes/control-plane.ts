/** Files of the control plane: who may come, and the keys that it signs with. */

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { addressOf, nodeNames } from './network.ts'
import { adminKubeconfig, stateFolder } from './paths.ts'

/** Folder of its files, as the control plane's machine sees it, and as this machine does. */
export const inside = '/run/kubernetes'
export const outside = join(stateFolder, 'cp/run/kubernetes')

/** User and groups of everyone who talks to the API server, by the name of their kubeconfig. */
const users: Readonly<Record<string, { readonly user: string, readonly groups: readonly string[] }>> = {
  'admin': { user: 'admin', groups: ['system:masters'] },
  'controller-manager': { user: 'system:kube-controller-manager', groups: [] },
  'scheduler': { user: 'system:kube-scheduler', groups: [] },
  ...Object.fromEntries(nodeNames.flatMap(name => [
    [`kubelet-${name}`, { user: `system:node:${name}`, groups: ['system:nodes'] }],
    // The same that kubeadm's proxies are: bound to the role system:node-proxier.
    [`proxy-${name}`, { user: 'system:kube-proxy', groups: [] }],
  ])),
}

/** Written once for the life of a cluster: what is needed before the API server runs. */
export function writeSecrets (): void {
  mkdirSync(outside, { recursive: true, mode: 0o700 })
  const tokens = Object.entries(users).map(([name, { user, groups }]) => `${tokenOf(name)},${user},${name},"${groups.join(',')}"\n`)
  writeFileSync(join(outside, 'tokens.csv'), tokens.join(''), { mode: 0o600 })
  if (existsSync(join(outside, 'sa.key'))) return
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(join(outside, 'sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
}

/** The certificate that the API server made for itself, once it has. */
export function serverCertificate (): string | undefined {
  try { return readFileSync(join(outside, 'certs/apiserver.crt'), 'utf8') } catch { return undefined }
}

/** Kubeconfig of one user. `server` is where that user finds the API server. */
export function writeKubeconfig (file: string, name: string, server: string): void {
  const certificate = Buffer.from(serverCertificate() ?? '').toString('base64')
  writeFileSync(file, `\
apiVersion: v1
kind: Config
clusters: [{name: liburna-test, cluster: {server: "${server}", certificate-authority-data: ${certificate}}}]
users: [{name: ${name}, user: {token: ${tokenOf(name)}}}]
contexts: [{name: liburna-test, context: {cluster: liburna-test, user: ${name}}}]
current-context: liburna-test
`, { mode: 0o600 })
}

/** Of people and tests: reaches the API server through the forward on this machine's loopback. The certificate knows that by name only. */
export function writeAdminKubeconfig (port: number): void {
  writeKubeconfig(adminKubeconfig, 'admin', `https://localhost:${port}`)
}

/** Where the machines find the API server. */
export const serverUrl = `https://${addressOf('cp')}:6443`

/** A random token for each user, kept for the life of the cluster. */
function tokenOf (name: string): string {
  const folder = join(stateFolder, 'tokens')
  const file = join(folder, name)
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
    writeFileSync(file, randomBytes(24).toString('hex'), { mode: 0o600 })
  }
  return readFileSync(file, 'utf8')
}
