import t from 'tap'
import { Tidy } from '../../src/relay/native/thread/tidy.ts'
import type { Loop } from '../../src/relay/native/thread/loop.ts'

const mb = 1024 * 1024

/** A thread whose time and memory are what we say. */
function thread (): { readonly tidy: Tidy, readonly is: { used: number, collected: number }, look: () => boolean, turns: (count: number) => void } {
  const waiting: Array<() => void> = []
  const is = { used: 8 * mb, collected: 0 }
  const loop: Pick<Loop, 'after'> = { after (_ms, work) { waiting.push(work); return { cancel () {} } } }
  const tidy = new Tidy(loop as Loop, () => is.used, () => { is.collected++; is.used = 9 * mb })
  return {
    tidy, is,
    look () {
      const work = waiting.shift()
      work?.()
      if (work !== undefined) tidy.turn() // an alarm is a turn of the loop
      return work !== undefined
    },
    turns (count) { for (let i = 0; i < count; i++) tidy.turn() },
  }
}

t.test('what a burst has left is collected when the thread has become calm, once', async t => {
  const { is, look, turns } = thread()
  turns(1000)
  is.used = 45 * mb
  look()
  t.equal(is.collected, 0, 'nobody waits for a collection while bytes move')
  turns(10)
  look()
  t.equal(is.collected, 1)
  turns(10)
  look()
  t.equal(is.collected, 1)
})

t.test('a thread with nothing to collect is left alone, and not woken', async t => {
  const { is, look, turns } = thread()
  turns(3)
  t.ok(look())
  t.equal(is.collected, 0)
  t.notOk(look(), 'nothing has happened, so nobody looks again')
})

t.test('a thread that is never calm is never stopped', async t => {
  const { is, look, turns } = thread()
  is.used = 100 * mb
  for (let i = 0; i < 10; i++) { turns(51); t.ok(look()) }
  t.equal(is.collected, 0)
})
