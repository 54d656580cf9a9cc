/** The image of our Dockerfile, looked at without a cluster: what is in it, what it says of itself, and that it can be built again. */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { buildah } from './buildah.ts'
import { buildImage } from './index.ts'

t.setTimeout(3_600_000)

const project = new URL('../../', import.meta.url)
const image = await buildImage({ say: text => { t.comment(text) } })

/** Runs a program in a container of an image, without network or anything else of this machine. */
async function inImage (name: string, ...command: string[]): Promise<string> {
  const container = await buildah('from', [name])
  try {
    return await buildah('run', [container, '--', ...command])
  } finally {
    await buildah('rm', [container])
  }
}

interface ImageConfig {
  readonly User: string
  readonly Entrypoint: readonly string[]
  readonly Cmd: readonly string[]
  readonly StopSignal: string
  readonly Labels: Readonly<Record<string, string>>
  readonly Healthcheck?: { readonly Test: readonly string[] }
  readonly ExposedPorts?: object
}

/** One of `package-lock.json`. */
interface LockedPackage {
  readonly dev?: boolean
  readonly cpu?: readonly string[]
  readonly os?: readonly string[]
}

async function configOf (name: string): Promise<ImageConfig> {
  const { Docker } = JSON.parse(await buildah('inspect', ['--type', 'image', name])) as { Docker: { config: ImageConfig } } // buildah's form
  return Docker.config
}

t.test('it says what it is, how to ask whether it lives, and how to stop it', async t => {
  const config = await configOf(image)
  const { version } = JSON.parse(readFileSync(new URL('package.json', project), 'utf8')) as { version: string } // our own file
  t.match(config.Labels, { 'org.opencontainers.image.title': 'liburna', 'org.opencontainers.image.version': version, 'org.opencontainers.image.licenses': 'Apache-2.0' })
  t.match(config.Healthcheck, { Test: ['CMD', 'node'] })
  t.equal(config.StopSignal, 'SIGTERM')
  t.equal(config.Entrypoint.at(0), 'node')
  t.equal(config.Entrypoint.at(-1), '/app/dist/main.js')
})

t.test('it holds the packages that the lock file has for production, and no others', async t => {
  const { packages } = JSON.parse(readFileSync(new URL('package-lock.json', project), 'utf8')) as { packages: Record<string, LockedPackage> } // npm's form
  const wanted = Object.entries(packages).filter(([path, { dev = false, cpu, os }]) => path !== '' && !dev && cpu?.includes(process.arch) !== false && os?.includes('linux') !== false)
  const there = (await inImage(image, 'find', 'node_modules', '-name', 'package.json')).split('\n').map(file => file.trim().replace(/\/package\.json$/, ''))
  t.same(there.filter(path => /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@]+$/.test(path)).sort(), wanted.map(([path]) => path).sort())
})

t.test('it holds no tool that is not needed to run, and nothing of the project but what runs', async t => {
  for (const program of ['npm', 'tsc', 'gcc', 'git', 'curl']) await t.rejects(inImage(image, 'which', program), program)
  t.same((await inImage(image, 'ls', '/app')).split('\n').sort(), ['LICENSE', 'README.md', 'dist', 'node_modules', 'package.json'])
  t.equal(await inImage(image, 'sh', '-c', 'find /app/dist -type f -not -name "*.js"'), '')
})

t.test('it runs as whoever the manifest says, without a writable file system', async t => {
  const { version } = JSON.parse(readFileSync(new URL('package.json', project), 'utf8')) as { version: string } // our own file
  const container = await buildah('from', [image])
  t.teardown(async () => buildah('rm', [container]))
  t.equal(await buildah('run', ['--user', '65532:65532', container, '--', 'node', '/app/dist/main.js', '--version']), version)
})
