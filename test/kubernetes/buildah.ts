/** buildah with a store of its own, so that images of the person who works here are not touched. */

import { join } from 'node:path'
import { cacheFolder } from './paths.ts'
import { must, run } from './run.ts'
import type { Finished, RunOptions } from './run.ts'

/** Global options; `chroot` needs no runtime and no network set-up. */
function withStore (command: string, args: readonly string[]): string[] {
  const folder = join(cacheFolder(), 'images')
  const isolation = ['from', 'run', 'build'].includes(command) ? ['--isolation', 'chroot'] : []
  return ['--root', folder, '--runroot', join(folder, 'run'), command, ...isolation, ...args]
}

export async function buildah (command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return (await must('buildah', withStore(command, args), options)).trim()
}

export async function tryBuildah (command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return run('buildah', withStore(command, args), options)
}

/** Whether there is an image of this name. */
export async function hasImage (name: string): Promise<boolean> {
  return (await tryBuildah('inspect', ['--type', 'image', name])).code === 0
}

/** Writes an image as an archive that containerd imports under the same name. */
export async function saveImage (name: string, archive: string): Promise<void> {
  await buildah('push', [name, `docker-archive:${archive}:${name}`], { withinMs: 300_000 })
}
