import { mkdirSync, renameSync } from 'node:fs'
import t from 'tap'
import { FolderWatch } from '../../src/cluster/folder-watch.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'
import type { Test } from 'tap'

/** Real events of a real folder, with time that stands still. */
function world (t: Test) {
  const folder = new TestFolder()
  mkdirSync(folder.at('watched'))
  const clock = new FakeClock()
  const told: string[] = []
  const watch = new FolderWatch({ folders: [folder.at('watched')], clock, quietMs: 100, mostMs: 500, pollMs: 5000 }, reason => { told.push(reason) })
  t.teardown(() => {
    watch.stop()
    folder[Symbol.dispose]()
  })
  return { folder, clock, told, watch }
}

/** The poll's timer, and that of an event that waits for quiet. */
const timersWithEvent = 2

t.test('an event is told after a quiet time, many as one', async t => {
  const { folder, clock, told } = world(t)
  for (let i = 0; i < 10; i++) folder.write(`watched/${i}`, 'x')
  await eventually(() => clock.waiting === timersWithEvent)
  clock.advance(99)
  t.same(told, [])
  await eventually(() => {
    clock.advance(1)
    return told.length > 0
  })
  t.same(told, ['event'])
})

t.test('a folder that is never quiet is told of all the same', async t => {
  const { folder, clock, told } = world(t)
  let i = 0
  await eventually(() => {
    folder.write(`watched/${i++}`, 'x')
    if (clock.waiting === timersWithEvent) clock.advance(90)
    return told.length > 0
  })
  t.ok(clock.monotonic() <= 600, `after ${clock.monotonic()} ms`)
})

t.test('it asks in any case, again and again', async t => {
  const { clock, told } = world(t)
  clock.advance(15_000)
  t.same(told, ['poll', 'poll', 'poll'])
})

t.test('a folder that was replaced is watched anew', async t => {
  const { folder, clock, told } = world(t)
  renameSync(folder.at('watched'), folder.at('old'))
  mkdirSync(folder.at('watched'))
  await eventually(() => { clock.advance(5000); return told.includes('poll') })
  told.length = 0
  folder.write('watched/new', 'x')
  await eventually(() => clock.waiting === timersWithEvent)
  clock.advance(500)
  t.same(told, ['event'])
})

t.test('after stop nothing is told', async t => {
  const { clock, told, watch } = world(t)
  watch.stop()
  clock.advance(60_000)
  t.same(told, [])
  t.equal(clock.waiting, 0)
})
