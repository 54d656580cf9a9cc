import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { SandboxNotes } from '../../src/node/sandbox-notes.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { Test } from 'tap'
import type { Sandbox } from '../../src/cluster/index.ts'

/** A node whose namespaces are files, with one agent after the other. */
function world (t: Test) {
  const folder = new TestFolder()
  t.teardown(() => { folder[Symbol.dispose]() })
  mkdirSync(folder.at('netns'))
  const clock = new FakeClock()
  const log = memoryLog()
  const path = folder.at('liburna.notes')
  const sandbox = (name: string): Sandbox => {
    const netns = folder.at(`netns/${name}`)
    writeFileSync(netns, '')
    return { id: `id-${name}`, uid: `uid-${name}`, namespace: 'shop', name, netns }
  }
  const agent = (...known: Sandbox[]) => {
    const filled: string[] = []
    const reads: boolean[] = []
    const notes = new SandboxNotes(path, {
      source: { sandboxes: () => known.map(sandbox => ({ sandbox, isSelected: true })), fillSandboxes (found) { filled.push(found.map(({ name }) => name).join(' ')) } },
      clock, log, onRead: areKept => { reads.push(areKept) },
    })
    t.teardown(() => { notes[Symbol.dispose]() })
    return { notes, filled, known, reads }
  }
  return { folder, clock, log, path, sandbox, agent }
}

t.test('an agent begins with what the one before it has noted, and follows while the runtime is silent', t => {
  const { clock, sandbox, agent } = world(t)
  const former = agent(sandbox('web'), sandbox('db'))
  former.notes.write()
  const next = agent()
  next.notes.silent()
  t.same(next.filled, ['web db'])
  t.same(next.reads, [true])
  clock.advance(5000)
  t.same(next.reads, [true], 'notes that are not new are not read again')
  former.known.push(sandbox('job'))
  former.notes.write()
  clock.advance(500)
  t.same(next.filled, ['web db', 'web db job'])
  next.notes.told()
  former.notes.write()
  clock.advance(5000)
  t.equal(next.reads.length, 2, 'nobody reads once the runtime tells')
  t.end()
})

t.test('of a namespace that is gone, or another one by the same name, nothing is believed', t => {
  const { folder, sandbox, agent } = world(t)
  agent(sandbox('gone'), sandbox('another'), sandbox('web'), { ...sandbox('host'), netns: '' }).notes.told()
  rmSync(folder.at('netns/gone'))
  // A file that comes first takes the number that was freed, so that the name gets another one.
  rmSync(folder.at('netns/another'))
  writeFileSync(folder.at('in-between'), '')
  writeFileSync(folder.at('in-between-too'), '')
  writeFileSync(folder.at('netns/another'), '')
  const next = agent()
  next.notes.silent()
  t.same(next.filled, ['web'])
  t.end()
})

t.test('notes are kept as long as somebody is told', t => {
  const { clock, sandbox, agent } = world(t)
  const [former, next] = [agent(sandbox('web')), agent()]
  former.notes.told()
  next.notes.silent()
  clock.advance(60_000)
  t.equal(next.notes.areKept, true)
  former.notes.silent()
  clock.advance(12_000)
  t.equal(next.notes.areKept, false)
  t.equal(next.filled.at(-1), 'web', 'what was known still is')
  const late = agent()
  late.notes.silent()
  t.same([late.filled, late.reads], [['web'], [false]], 'better than nothing, and not taken for all')
  t.end()
})

t.test('without notes an agent waits for the runtime', t => {
  const { clock, log, agent } = world(t)
  const { notes, reads } = agent()
  notes.silent()
  clock.advance(60_000)
  t.same(reads, [])
  t.same(log.lines, [])
  t.end()
})

for (const [what, text] of [['no JSON', '['], ['no list', '{"at":1}'], ['without a time', '{"sandboxes":[]}'], ['a note without a field', '{"at":1,"sandboxes":[{"id":"a"}]}'], ['a field that is no text', '{"at":1,"sandboxes":[{"id":1,"uid":"u","namespace":"n","name":"n","netns":"/","inode":"1"}]}']] as const) {
  t.test(`a file that is ${what} is told once, and does no harm`, t => {
    const { clock, log, path, sandbox, agent } = world(t)
    writeFileSync(path, text)
    const next = agent()
    next.notes.silent()
    clock.advance(5000)
    t.match(log.lines, [{ level: 'warn', message: 'the notes of sandboxes cannot be read' }])
    t.equal(log.lines.length, 1)
    agent(sandbox('web')).notes.told()
    clock.advance(500)
    t.same(next.filled, ['web'])
    t.end()
  })
}

t.test('the file is the agent\'s alone, and nothing else is left beside it; removed, it is gone', t => {
  const { folder, path, sandbox, agent } = world(t)
  const { notes } = agent(sandbox('web'))
  notes.told()
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.match(JSON.parse(readFileSync(path, 'utf8')), { sandboxes: [{ name: 'web' }] })
  t.same(readdirSync(folder.at('.')).sort(), ['liburna.notes', 'netns'])
  notes.remove()
  t.same(readdirSync(folder.at('.')), ['netns'])
  t.end()
})
