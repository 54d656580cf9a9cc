/**
 * The images of sandboxes and tests, made from Debian's static busybox: no registry is needed.
 *
 * The archive has the form of `docker save`: a tar of one layer (a tar), a configuration, and a manifest.
 */

import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync, readFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must } from './run.ts'
import { stateFolder } from './paths.ts'

/** For tests: a shell, wget, nc, httpd and some 250 other applets. */
export const busyboxImage = 'localhost/liburna-test/busybox:1'
/** For the sandbox of every pod. */
export const pauseImage = 'localhost/liburna-test/pause:1'

/** Every image of the archive, and what it runs. The last two stand in for those of the walk-through in daemonset/README.md: no registry can be reached. */
const images: Readonly<Record<string, readonly string[]>> = {
  [busyboxImage]: ['sh'],
  [pauseImage]: ['sleep', '2147483647'],
  'docker.io/library/busybox:1.37': ['sh'],
  'docker.io/library/nginx:1.29': ['httpd', '-f', '-p', '80', '-h', '/www'],
}

const busybox = '/usr/bin/busybox'

/** Path of an archive that holds all images. */
export async function busyboxArchive (): Promise<string> {
  const archive = join(stateFolder, 'busybox.tar')
  if (existsSync(archive)) return archive
  const work = mkdtempSync(join(tmpdir(), 'lbk-busybox-'))
  try {
    await fillRoot(join(work, 'root'))
    await tar(join(work, 'layer.tar'), join(work, 'root'), ['.'])
    const layer = `sha256:${sha256(readFileSync(join(work, 'layer.tar')))}`
    const manifest = Object.entries(images).map(([name, command]) => image(work, name, layer, command))
    writeFileSync(join(work, 'manifest.json'), JSON.stringify(manifest))
    await tar(join(work, 'whole.tar'), work, ['manifest.json', 'layer.tar', ...new Set(manifest.map(({ Config }) => Config))])
    copyFileSync(join(work, 'whole.tar'), `${archive}.new`)
    renameSync(`${archive}.new`, archive)
    return archive
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function fillRoot (root: string): Promise<void> {
  for (const folder of ['bin', 'etc', 'tmp', 'root', 'www']) mkdirSync(join(root, folder), { recursive: true })
  copyFileSync(busybox, join(root, 'bin/busybox'))
  for (const applet of (await must(busybox, ['--list'])).split('\n')) {
    if (applet !== '' && applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet))
  }
  writeFileSync(join(root, 'www/index.html'), 'welcome\n')
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnobody:x:65534:\n')
}

function image (work: string, name: string, layer: string, command: readonly string[]): { Config: string, RepoTags: string[], Layers: string[] } {
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: command },
    rootfs: { type: 'layers', diff_ids: [layer] },
  })
  const file = `${sha256(config)}.json`
  writeFileSync(join(work, file), config)
  return { Config: file, RepoTags: [name], Layers: ['layer.tar'] }
}

/** The same bytes for the same files, whenever it is made. */
async function tar (archive: string, folder: string, names: readonly string[]): Promise<void> {
  await must('tar', ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '-cf', archive, '-C', folder, ...names])
}

function sha256 (data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
