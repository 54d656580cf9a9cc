/** The demonstration does what it says, and leaves nothing. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { eventually } from '../fixtures/eventually.ts'
import { labTest } from './lab-test.ts'

const demo = fileURLToPath(new URL('../demo/main.ts', import.meta.url))
const patienceMs = 120_000

/** Namespaces and temporary folders of a process. */
function leftBy (pid: number | undefined): string[] {
  return [...readdirSync('/run/netns'), ...readdirSync(tmpdir())].filter(name => name.startsWith(`lb${pid}-`))
}

labTest('every row is as expected', async t => {
  const child = spawn(process.execPath, [demo, '--once'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const [code] = await once(child, 'exit')
  t.equal(code, 0, output)
  t.match(output, /19 rows, all as expected/)
  t.same(leftBy(child.pid), [])
}, 'program:nginx', 'program:mariadbd', 'program:tcpdump')

labTest('it stays up to be looked at, until Ctrl-C', async t => {
  const child = spawn(process.execPath, [demo], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const exited = once(child, 'exit')
  await Promise.race([eventually(() => output.includes('call something yourself'), patienceMs), exited])
  t.equal(child.exitCode, null, output)
  const urls = output.match(/http:\/\/127\.0\.0\.1:\d+\/metrics/g) ?? []
  t.equal(urls.length, 2)
  for (const url of urls) t.match(await (await fetch(url)).text(), /liburna_/)
  t.not(leftBy(child.pid).length, 0)
  child.kill('SIGINT')
  t.same(await exited, [0, null])
  t.same(leftBy(child.pid), [])
}, 'program:nginx', 'program:mariadbd', 'program:tcpdump')

labTest('Ctrl-C while it is being built leaves nothing either', async t => {
  const child = spawn(process.execPath, [demo], { stdio: ['ignore', 'ignore', 'pipe'] })
  await once(child.stderr, 'data')
  await eventually(() => leftBy(child.pid).length > 2)
  child.kill('SIGINT')
  await once(child, 'exit')
  t.same(leftBy(child.pid), [])
}, 'program:nginx', 'program:mariadbd', 'program:tcpdump')

labTest('it explains itself', async t => {
  const child = spawn(process.execPath, [demo, '--help'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [text] = await once(child.stdout.setEncoding('utf8'), 'data')
  t.match(text, /--once/)
})
