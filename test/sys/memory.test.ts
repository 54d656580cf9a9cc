import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { Memory, withMemory } from '../../src/sys/index.ts'

t.test('an address is inside its memory', async t => {
  const memory = new Memory(8)
  t.equal(memory.at(8), memory.address + 8)
  t.throws(() => memory.at(9), RangeError)
  t.throws(() => memory.at(-1), RangeError)
})

t.test('lent memory is as long as asked for, and its user\'s result is passed on', async t => {
  t.equal(withMemory(3, ({ length }) => length), 3)
  t.throws(() => withMemory(1, () => { throw new Error('of the user') }), /of the user/)
})

t.test('lent memory lives until its user has returned, and what only a local variable holds does not', async t => {
  const program = fileURLToPath(new URL('../fixtures/lent-memory.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--single-threaded-gc', program])
  const { local, lent } = JSON.parse(stdout) as { local: number, lent: number }
  t.equal(lent, 0)
  t.ok(local > 0, 'the check can fail')
})
