/** A service account of the cluster as a program outside of it can use it. */

import { mkdirSync, readFileSync } from 'node:fs'
import type { CredentialSettings } from '../../src/cluster/index.ts'
import type { TestFolder } from '../fixtures/folder.ts'
import type { Cluster } from './cluster.ts'

/** As a pod of it would have it: a token of the service account, and the root of the API server; in `account` of the folder. */
export async function accountIn (folder: TestFolder, cluster: Cluster, namespace: string, name: string): Promise<CredentialSettings> {
  const { server, ca } = JSON.parse(await cluster.kubectl(['config', 'view', '--raw', '-o', 'jsonpath={"{"}"server":"{.clusters[0].cluster.server}","ca":"{.clusters[0].cluster.certificate-authority-data}{.clusters[0].cluster.certificate-authority}"{"}"}'])) as { server: string, ca: string } // its own form
  mkdirSync(folder.at('account'), { recursive: true })
  folder.write('account/ca.crt', ca.startsWith('/') ? readFileSync(ca, 'utf8') : Buffer.from(ca, 'base64').toString())
  folder.write('account/token', await cluster.kubectl(['create', 'token', name, '--namespace', namespace]))
  return { server, kubeconfig: '', serviceAccount: folder.at('account') }
}
