import t from 'tap'
import { keepLean } from '../../src/cli/lean.ts'
import { FakeClock } from '../fixtures/clock.ts'

const mb = 1024 * 1024

/** A process that is what we say. */
function process (): { readonly clock: FakeClock, readonly is: { resident: number, cpuMs: number }, readonly done: string[] } {
  const [clock, is, done] = [new FakeClock(), { resident: 150 * mb, cpuMs: 0 }, [] as string[]]
  const gives = (what: string, left: number) => (): void => { done.push(what); is.resident = left }
  keepLean({ clock, resident: () => is.resident, cpuMs: () => is.cpuMs, release: gives('release', 80 * mb), releaseBurst: gives('release burst', 100 * mb) })
  return { clock, is, done }
}

t.test('what a start has left is given back once, when it has settled', async t => {
  const { clock, done } = process()
  clock.advance(1999)
  t.same(done, [])
  for (let i = 0; i < 10; i++) clock.advance(10_000)
  t.same(done, ['release'])
})

t.test('what a burst has left is given back when it is over', async t => {
  const { clock, is, done } = process()
  clock.advance(2000)
  is.resident = 300 * mb
  is.cpuMs += 5000
  clock.advance(10_000)
  t.same(done, ['release'], 'busy')
  is.cpuMs += 500
  clock.advance(10_000)
  t.same(done, ['release', 'release burst'])
  is.resident += 4 * mb
  clock.advance(10_000)
  t.same(done, ['release', 'release burst'], 'too little to look for')
  is.resident += 5 * mb
  clock.advance(10_000)
  t.same(done, ['release', 'release burst', 'release burst'])
})

t.test('a process that cannot give anything back goes on', async t => {
  const clock = new FakeClock()
  let tries = 0
  const fails = (): void => { tries++; throw new Error('no') }
  let resident = 0
  keepLean({ clock, resident: () => resident, cpuMs: () => 0, release: fails, releaseBurst: fails })
  for (let i = 0; i < 5; i++) { clock.advance(10_000); resident += 100 * mb }
  t.ok(tries > 2)
})
