/**
 * The project's image, built from its Dockerfile where no image registry can be reached.
 *
 * The base image is a Debian made by debootstrap, of the release and from the mirror of this machine. Packages come by
 * the machine's own apt and npm settings: those of npm are mounted while it builds and are in no file of the project
 * and in no layer.
 */

import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildah, hasImage, tryBuildah } from './buildah.ts'
import { ClusterError } from './error.ts'
import { needPackages } from './packages.ts'
import { must, run } from './run.ts'

export interface ImageOptions {
  /** Hears what is done, a line each. @default nobody */
  readonly say?: (text: string) => void
  /** @default 'localhost/liburna-test/liburna:1' */
  readonly tag?: string
  /** Folder with the Dockerfile and what it copies. @default this checkout, as it is now */
  readonly context?: string
  readonly signal?: AbortSignal
}

/** What `buildImage` calls the image unless told otherwise. */
export const agentImage = 'localhost/liburna-test/liburna:1'

/** Stages of the Dockerfile that are worth keeping. */
const stages = ['tools', 'packages', 'build']
const project = fileURLToPath(new URL('../..', import.meta.url))
/** Where the settings are mounted in the build; npm reads the one of root's home. */
const insideNpmrc = '/root/.npmrc'
const insideCa = '/run/liburna-test-ca.crt'
/** A first build installs packages for minutes. */
const withinMs = 1_800_000

/** Builds the image; unchanged layers are not built again. Resolves with its name. */
export async function buildImage ({ say = () => {}, tag = agentImage, context = project, signal }: ImageOptions = {}): Promise<string> {
  await needPackages('image', say)
  const options = { withinMs, ...signal && { signal } }
  const base = await baseImage({ say, ...signal && { signal } })
  say(`building ${tag} from the Dockerfile`)
  const settings = mkdtempSync(join(tmpdir(), 'lbk-npm-'))
  try {
    await writeNpmSettings(settings)
    const mounts = ['--volume', `${join(settings, 'npmrc')}:${insideNpmrc}:ro`, '--volume', `${join(settings, 'ca.crt')}:${insideCa}:ro`]
    // OCI's own format has no place for HEALTHCHECK.
    const args = ['--network', 'host', '--layers', '--format', 'docker', '--timestamp', '0', '--build-arg', `BASE=${base}`, ...mounts]
    // With names of their own, so that pruning leaves the packages that npm installed there.
    for (const stage of stages) await buildah('build', [...args, '--target', stage, '--tag', `localhost/liburna-test/${stage}:1`, context], options)
    await buildah('build', [...args, '--tag', tag, context], options)
    // What earlier builds left is half a gigabyte each.
    await tryBuildah('rmi', ['--prune'])
    return tag
  } finally {
    rmSync(settings, { recursive: true, force: true })
  }
}

/** A minimal Debian under a local name, made once. */
async function baseImage ({ say, signal }: { readonly say: (text: string) => void, readonly signal?: AbortSignal }): Promise<string> {
  const release = releaseName()
  const name = `localhost/liburna-test/debian:${release}`
  if (await hasImage(name)) return name
  const folder = mkdtempSync(join(tmpdir(), 'lbk-base-'))
  try {
    say(`making ${name} by debootstrap (minutes, once)`)
    const options = { withinMs, ...signal && { signal } }
    await must('debootstrap', ['--variant=minbase', release, join(folder, 'root'), await mirror()], options)
    copyFileSync(aptSources(), join(folder, 'root', aptSources()))
    rmSync(join(folder, 'root/var/cache/apt/archives'), { recursive: true })
    await must('tar', ['--numeric-owner', '-cf', join(folder, 'root.tar'), '-C', join(folder, 'root'), '.'], options)
    const container = await buildah('from', ['scratch'])
    await buildah('add', [container, join(folder, 'root.tar'), '/'], options)
    await buildah('config', ['--cmd', 'bash', container])
    await buildah('commit', ['--rm', container, name], options)
    return name
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Debian's name of the release of this machine. */
function releaseName (): string {
  const [, name] = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? []
  if (name === undefined) throw new ClusterError('no-package', 'the base image is made by debootstrap, which wants a Debian')
  return name
}

/** Where this machine gets its packages; the first mirror of its list. */
async function mirror (): Promise<string> {
  const [first = ''] = (await must('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'])).split('\n')
  return first
}

/** Debian 12 has either of them. */
function aptSources (): string {
  return ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].find(file => existsSync(file)) ?? '/etc/apt/sources.list'
}

/** What npm goes by here, in two files of a private folder: settings and certificates. */
async function writeNpmSettings (folder: string): Promise<void> {
  const settings = await Promise.all(['globalconfig', 'userconfig'].map(async name => readOr('', await npmSetting(name))))
  const registry = await npmSetting('registry')
  const ca = [await npmSetting('cafile'), process.env['NODE_EXTRA_CA_CERTS'] ?? '', '/etc/ssl/certs/ca-certificates.crt'].find(file => file !== '' && existsSync(file))
  const own = settings.join('\n').split('\n').filter(line => !/^\s*(cafile|registry|nodedir|prefix)\s*=/.test(line))
  writeFileSync(join(folder, 'ca.crt'), ca === undefined ? '' : readFileSync(ca))
  writeFileSync(join(folder, 'npmrc'), [...own, `registry=${registry}`, ...ca === undefined ? [] : [`cafile=${insideCa}`], ''].join('\n'), { mode: 0o600 })
}

async function npmSetting (name: string): Promise<string> {
  const { stdout } = await run('npm', ['config', 'get', name], { cwd: tmpdir() })
  const value = stdout.trim()
  return ['null', 'undefined'].includes(value) ? '' : value
}

function readOr (otherwise: string, file: string): string {
  try { return readFileSync(file, 'utf8') } catch { return otherwise }
}
