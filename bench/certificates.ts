/** Certificates for the peers: one authority, one ECDSA P-256 certificate for both ends, as ours are. */

import { existsSync } from 'node:fs'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { must } from '../test/fixtures/lab/run.ts'

export interface PeerCertificate {
  /** Root certificate, PEM. */
  readonly root: string
  /** Certificate, PEM. */
  readonly certificate: string
  readonly key: string
  /** Certificate and key in one file, as HAProxy wants them. */
  readonly bundle: string
}

/** Makes them in `folder`, once. */
export async function peerCertificate (folder: string): Promise<PeerCertificate> {
  const at = (name: string): string => join(folder, `peer-${name}.pem`)
  const files = { root: at('root'), certificate: at('certificate'), key: at('key'), bundle: at('bundle') }
  if (existsSync(files.bundle)) return files
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await must('openssl', ['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=bench root', '-keyout', at('root-key'), '-out', files.root])
  await must('openssl', ['req', ...curve, '-subj', '/CN=peer', '-keyout', files.key, '-out', at('request')])
  await writeFile(at('extensions'), 'subjectAltName=DNS:peer\nextendedKeyUsage=serverAuth,clientAuth\n')
  await must('openssl', ['x509', '-req', '-days', '2', '-in', at('request'), '-CA', files.root, '-CAkey', at('root-key'), '-CAcreateserial', '-extfile', at('extensions'), '-out', files.certificate])
  await writeFile(files.bundle, await readFile(files.certificate))
  await appendFile(files.bundle, await readFile(files.key))
  return files
}
