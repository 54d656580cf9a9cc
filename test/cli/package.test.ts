/** The tarball, installed into an empty folder, gives a working command, whatever Node the machine has. */

import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { settingLines } from '../../src/config.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
/**
 * Not what `npm test` has put before it: the machine's own. By `env -i`, because tap adds a loader of its own to the
 * environment of every child.
 */
const clean = ['-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', `HOME=${homedir()}`]

function run (cwd: string, ...command: string[]): { status: number | null, stdout: string, stderr: string } {
  return spawnSync('env', [...clean, ...command], { cwd, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
}

/** Asks the agent to stop when it says that it runs. */
async function startAndStop (cwd: string, ...command: string[]): Promise<{ code: number | null, signal: NodeJS.Signals | null }> {
  const child = spawn('env', [...clean, ...command], { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise<{ code: number | null, signal: NodeJS.Signals | null }>(resolve => child.once('exit', (code, signal) => { resolve({ code, signal }) }))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { said += text })
  await eventually(() => {
    if (!said.includes('agent runs')) throw new Error(`said so far: ${said}`)
    return true
  })
  child.kill('SIGTERM')
  return ended
}

t.test('npm pack, npm install, liburna', async t => {
  using folder = new TestFolder()
  const packed = run(project, 'npm', 'pack', '--silent', '--pack-destination', folder.path)
  t.equal(packed.status, 0, packed.stderr)
  const [tarball = ''] = readdirSync(folder.path)
  t.match(tarball, /^liburna-\d+\.\d+\.\d+\.tgz$/)

  const files = run(folder.path, 'tar', '-tzf', tarball).stdout.trim().split('\n').map(name => name.replace('package/', ''))
  t.same(files.filter(name => !/^(?:dist\/.*\.js|package\.json|README\.md|LICENSE)$/.test(name)), [], 'nothing else is in it')
  t.ok(files.includes('dist/main.js'))

  folder.write('package.json', '{"private": true}')
  const installed = run(folder.path, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', `./${tarball}`)
  t.equal(installed.status, 0, installed.stderr)

  const { version } = JSON.parse(readFileSync(`${project}/package.json`, 'utf8')) as { version: string } // our own file
  t.match(run(folder.path, './node_modules/.bin/liburna', '--version'), { status: 0, stdout: `${version}\n`, stderr: '' })
  const help = run(folder.path, './node_modules/.bin/liburna', 'config', '--help')
  t.equal(help.status, 0)
  for (const { name } of settingLines()) t.ok(help.stdout.includes(`  ${name} `), name)
  t.match(run(folder.path, './node_modules/.bin/liburna', 'run', '--config', 'none.yaml'), { status: 2, stderr: /none\.yaml: cannot be read/ }, 'the exit code comes through')
  t.match(run(folder.path, './node_modules/.bin/liburna', 'doctor').stdout, /netns/, 'what is compiled can reach the kernel')

  folder.write('policies/none.yaml', '# nothing yet\n')
  const config = folder.write('node.yaml', 'node: a\ncluster: c\ntrustDomain: t\nauthority: ./authority\npolicies: ./policies\ndiscovery: declared\nadmin: {listen: "127.0.0.1:0"}\n')
  t.same(await startAndStop(folder.path, './node_modules/.bin/liburna', 'run', '--config', config), { code: 0, signal: null }, 'a signal reaches the agent once: it ends tidily')
})
