/** Whatever ends the cluster, nothing of it is left. Only where no cluster is running: it would be taken down. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { hierarchies, processesInside } from './cgroups.ts'
import { isSomethingLeft } from './down.ts'
import { prefix, stateFolder } from './paths.ts'
import { run } from './run.ts'

t.setTimeout(600_000)

const main = fileURLToPath(new URL('main.ts', import.meta.url))

/** Everything that the cluster could leave on this machine, by name. */
function leftovers (): readonly string[] {
  const netns = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  const cgroups = hierarchies().flatMap(({ path }) => readdirSync(path).map(name => ({ name, path: `${path}/${name}` })))
  return [
    ...[stateFolder, `${stateFolder}.lock`].filter(path => existsSync(path)),
    ...netns.filter(name => name.startsWith(prefix)),
    ...cgroups.filter(({ name }) => name.startsWith(prefix)).map(({ path }) => path),
    ...processesInside().map(pid => `process ${pid}`),
    ...readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(line => line.includes(` ${stateFolder}`)),
  ]
}

/** Starts `up`, sends it a signal once it says `words`, and resolves with its exit code. */
async function upUntil (words: string, signal: NodeJS.Signals): Promise<number | null> {
  const up = spawn(process.execPath, [main, 'up'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  up.stderr.setEncoding('utf8').on('data', (text: string) => {
    const isFirst = !said.includes(words)
    said += text
    if (isFirst && said.includes(words)) up.kill(signal)
  })
  await once(up, 'exit')
  if (!said.includes(words)) throw new Error(`never said ${JSON.stringify(words)}: ${said}`)
  return up.exitCode
}

if (isSomethingLeft()) {
  t.plan(0, 'a cluster is running')
} else {
  for (const words of ['control plane:', 'node n1:', 'waiting for the nodes']) {
    t.test(`interrupted at "${words}": nothing is left`, async t => {
      t.equal(await upUntil(words, 'SIGINT'), 130)
      t.same(leftovers(), [])
    })

    t.test(`killed at "${words}": \`down\` leaves nothing`, async t => {
      await upUntil(words, 'SIGKILL')
      t.ok(isSomethingLeft(), 'a crash leaves something')
      t.equal((await run(process.execPath, [main, 'down'])).code, 0)
      t.same(leftovers(), [])
    })
  }

  t.test('`up` after a crash starts afresh, twice is fine, and `down` leaves nothing', async t => {
    await upUntil('node n2:', 'SIGKILL')
    const withinMs = 300_000
    t.match((await run(process.execPath, [main, 'up'], { withinMs })).stderr, /removed what an earlier cluster left[^]*cluster: up\n/)
    t.match((await run(process.execPath, [main, 'up'], { withinMs })).stderr, /it was up already/)
    t.match((await run(process.execPath, [main, 'status'])).stdout, /^up\n/)
    t.equal((await run(process.execPath, [main, 'down'])).code, 0)
    t.same(leftovers(), [])
    t.match((await run(process.execPath, [main, 'status'])).stdout, /^down\n/)
  })
}
