/**
 * liburna installed in the test cluster: the image of our Dockerfile, and `kubectl apply -k` of an overlay that changes
 * the image's name and nothing else.
 *
 * Which image the nodes have is noted beside the cluster's state, so that the next test file does not build and carry it again.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { agentImage, buildImage } from '../image.ts'
import { stateFolder } from '../paths.ts'
import type { Cluster } from '../cluster.ts'

/** Namespace of the manifests. */
export const system = 'liburna'

const project = fileURLToPath(new URL('../../..', import.meta.url))
const imageParts = ['Dockerfile', 'package.json', 'package-lock.json', 'tsconfig.json', 'README.md', 'LICENSE', 'src']
/** What the nodes were given. */
const note = join(stateFolder, 'liburna-image')

/** Builds the image where something has changed, and gives it to the nodes. Resolves with whether it is another one than they had. */
export async function provideImage (cluster: Cluster, say: (text: string) => void): Promise<boolean> {
  const key = keyOf()
  if (noted() === `${key} ${await digestIn(cluster)}`) return false
  const before = await digestIn(cluster)
  await buildImage({ say })
  say('the image goes to the nodes')
  await cluster.loadImage(agentImage)
  const digest = await digestIn(cluster)
  writeFileSync(note, `${key} ${digest}`)
  return digest !== before
}

/** Applies the manifests as they are now; resolves when agents and issuers of this checkout run. */
export async function install (cluster: Cluster, say: (text: string) => void): Promise<void> {
  const isOther = await provideImage(cluster, say)
  using overlay = new Overlay()
  await cluster.kubectl(['apply', '-k', overlay.folder])
  // The image has the same name whatever is in it.
  if (isOther) await cluster.kubectl(['delete', 'pods', '-n', system, '--all', '--grace-period=5', '--wait=true'], undefined, { withinMs: 120_000 })
  say('waiting for agents and issuers')
  await cluster.waitReady(['deployment/liburna-issuer', 'daemonset/liburna-agent'], { namespace: system, withinMs: 180_000 })
}

/** A folder with a kustomization of ours. */
export class Overlay implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'lbk-overlay-'))

  /** @param components folders of `daemonset` */
  constructor (components: readonly string[] = []) {
    const [newName = '', newTag = ''] = agentImage.split(/:(?=[^:]*$)/)
    // kustomize takes no absolute paths.
    const manifests = relative(this.folder, join(project, 'daemonset'))
    writeFileSync(join(this.folder, 'kustomization.yaml'), JSON.stringify({
      apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization',
      resources: [manifests], images: [{ name: 'liburna', newName, newTag }], components: components.map(name => join(manifests, name)),
    }))
  }

  [Symbol.dispose] (): void { rmSync(this.folder, { recursive: true, force: true }) }
}

function noted (): string {
  return existsSync(note) ? readFileSync(note, 'utf8') : ''
}

/** What the first node has under the image's name. */
async function digestIn (cluster: Cluster): Promise<string> {
  const list = await cluster.node('n1').must(['ctr', '--namespace', 'k8s.io', 'images', 'ls', `name==${agentImage}`])
  return /sha256:[0-9a-f]{64}/.exec(list)?.[0] ?? 'none'
}

/** A name for the content of all that the image is made of. */
function keyOf (): string {
  const hash = createHash('sha256')
  for (const file of imageParts.flatMap(filesBelow).sort()) hash.update(file).update('\0').update(readFileSync(join(project, file))).update('\0')
  return hash.digest('hex')
}

function filesBelow (place: string): string[] {
  if (!statSync(join(project, place)).isDirectory()) return [place]
  return readdirSync(join(project, place)).flatMap(name => filesBelow(join(place, name)))
}
