import { execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync } from 'node:fs'
import t from 'tap'
import { FileSink } from '../../src/observe/index.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'

t.test('lines are appended in order, and close waits for the last', async t => {
  using folder = new TestFolder()
  const file = folder.write('flows', 'before\n')
  const sink = new FileSink(file)
  const lines = Array.from({ length: 5000 }, (_, i) => `${i} ${'x'.repeat(50)}\n`)
  for (const line of lines) sink.write(line)
  await sink.close()
  t.equal(readFileSync(file, 'utf8'), `before\n${lines.join('')}`)
  t.equal(sink.dropped, 0)
  sink.write('late\n')
  t.equal(sink.dropped, 1)
})

t.test('a reader that stops makes nobody wait: lines are dropped and counted', async t => {
  using folder = new TestFolder()
  const pipe = folder.at('pipe')
  execFileSync('mkfifo', [pipe])
  const reader = spawn('sleep', ['1000'], { stdio: [openSync(pipe, 'r+'), 'ignore', 'ignore'] })
  t.teardown(() => reader.kill('SIGKILL'))
  const fd = openSync(pipe, 'a')
  const sink = new FileSink(fd, { mostBytes: 100_000 })
  const line = `${'x'.repeat(999)}\n`
  for (let i = 0; i < 1000; i++) sink.write(line)
  t.ok(sink.dropped >= 1000 - 100 - 65 - 65, 'what waits is bounded')
  t.ok(sink.dropped < 1000)
  await sink.close(10)
  closeSync(fd)
})

t.test('a reader that comes back gets the lines whole and in order', async t => {
  using folder = new TestFolder()
  const pipe = folder.at('pipe')
  execFileSync('mkfifo', [pipe])
  const keeper = openSync(pipe, 'r+')
  const sink = new FileSink(pipe)
  const lines = Array.from({ length: 2000 }, (_, i) => `${i} ${'y'.repeat(100)}\n`)
  for (const line of lines) sink.write(line)
  const reader = spawn('head', ['-n', '2000', pipe], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  reader.stdout.setEncoding('utf8').on('data', (part: string) => { text += part })
  await sink.close(10_000)
  await eventually(() => text.length === lines.join('').length)
  t.equal(text, lines.join(''))
  closeSync(keeper)
})

t.test('after a rotation the file is opened anew by its name', async t => {
  using folder = new TestFolder()
  const file = folder.at('flows')
  const sink = new FileSink(file)
  sink.write('1\n')
  await eventually(() => readFileSync(file, 'utf8') === '1\n')
  renameSync(file, folder.at('flows.1'))
  sink.reopen()
  sink.write('2\n')
  await sink.close()
  t.equal(readFileSync(folder.at('flows.1'), 'utf8'), '1\n')
  t.equal(readFileSync(file, 'utf8'), '2\n')
})

t.test('a full disk costs lines, which are counted', async t => {
  const sink = new FileSink('/dev/full')
  sink.write('1\n')
  sink.write('2\n')
  await eventually(() => sink.dropped === 2)
  await sink.close()
})

t.test('what waits can be written at once', async t => {
  using folder = new TestFolder()
  const file = folder.at('log')
  const sink = new FileSink(file)
  for (let i = 0; i < 100; i++) sink.write(`${i}\n`)
  sink.flushNow()
  await sink.close()
  t.same(readFileSync(file, 'utf8').trim().split('\n').map(Number).sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i))
})

t.test('a folder that is not there is an error at once', async t => {
  t.throws(() => new FileSink('/nowhere/flows'), { code: 'ENOENT' })
})
