/**
 * The programs of Kubernetes and containerd, built from Go modules that `go/` names by version and content.
 *
 * Built once (minutes), then kept outside the checkout under a name made of everything that went into them.
 */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ClusterError } from './error.ts'
import { cacheFolder } from './paths.ts'
import { run } from './run.ts'

export interface ProgramsOptions {
  readonly say: (text: string) => void
  readonly signal?: AbortSignal
}

interface Module {
  /** Folder under `go/`. */
  readonly folder: string
  readonly flags: readonly string[]
}

const kubernetes: Module = {
  folder: 'kubernetes',
  // Without it every part says that it is version 0.0.0.
  flags: ['-ldflags', ['-s', '-w', ...['component-base', 'client-go/pkg'].map(name => `-X k8s.io/${name}/version.gitVersion=${versionIn('kubernetes', 'k8s.io/kubernetes')}`)].join(' ')],
}

const containerd: Module = {
  folder: 'containerd',
  // Neither file system is needed, and both want C libraries.
  flags: ['-tags', 'no_btrfs,no_zfs', '-ldflags', '-s -w'],
}

const modules = [containerd, kubernetes]

/** Folder with all programs; builds what is missing. */
export async function programs (options: ProgramsOptions): Promise<string> {
  const folder = join(cacheFolder(), `kubernetes-${keyOf(modules)}`)
  if (existsSync(folder)) return folder
  await needGo()
  const fresh = `${folder}.${process.pid}`
  try {
    mkdirSync(fresh, { recursive: true })
    for (const module of modules) await build(module, fresh, options)
    // Whole or not there: a build that was called off leaves nothing that looks finished.
    if (!existsSync(folder)) renameSync(fresh, folder)
    return folder
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** Go's own installer puts it where no PATH looks by itself. */
const path = `${process.env['PATH'] ?? ''}:/usr/local/go/bin`

async function needGo (): Promise<void> {
  const { code } = await run('go', ['version'], { env: { PATH: path } }).catch(() => ({ code: 1 }))
  if (code !== 0) throw new ClusterError('no-go', 'the test cluster is built from Go modules, and there is no `go` on the PATH: install Go 1.26 or newer from https://go.dev/dl')
}

async function build ({ folder, flags }: Module, into: string, { say, signal }: ProgramsOptions): Promise<void> {
  const cwd = sourceOf(folder)
  const tools = toolsIn(folder)
  say(`building ${tools.map(tool => tool.split('/').at(-1)).join(', ')} (minutes, the first time)`)
  const started = performance.now()
  // One package at a time and nice: it shares the machine with whoever waits for it.
  const args = ['-n', '15', 'go', 'build', '-p', '1', '-trimpath', '-buildvcs=false', '-mod=readonly', ...flags, '-o', `${into}/`, ...tools]
  const { code, stderr } = await run('nice', args, { cwd, env: { PATH: path, CGO_ENABLED: '0', GOFLAGS: '' }, withinMs: 3_600_000, ...signal && { signal } })
  if (code !== 0) throw new ClusterError('build-failed', `go build of ${folder} ended with ${code}: ${stderr.slice(-4000)}`)
  say(`built ${folder} in ${Math.round((performance.now() - started) / 1000)} s`)
}

/** The `tool` lines of a go.mod. */
function toolsIn (folder: string): string[] {
  const [, block = ''] = /^tool \(\n([^)]*)\)/m.exec(readModule(folder)) ?? []
  return block.split('\n').map(line => line.trim()).filter(line => line !== '')
}

function versionIn (folder: string, module: string): string {
  const line = readModule(folder).split('\n').map(text => text.trim().replace(/^require /, '')).find(text => text.startsWith(`${module} v`))
  return line?.split(' ')[1] ?? 'v0.0.0'
}

function readModule (folder: string): string {
  return readFileSync(join(sourceOf(folder), 'go.mod'), 'utf8')
}

function sourceOf (folder: string): string {
  return fileURLToPath(new URL(`go/${folder}`, import.meta.url))
}

function keyOf (all: readonly Module[]): string {
  const hash = createHash('sha256')
  for (const { folder, flags } of all) {
    for (const file of readdirSync(sourceOf(folder)).sort()) hash.update(file).update(readFileSync(join(sourceOf(folder), file)))
    hash.update(flags.join(' '))
  }
  return hash.digest('hex').slice(0, 12)
}
