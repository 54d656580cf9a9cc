import t from 'tap'
import { Emitter } from '../../src/lib/emitter.ts'

t.test('every listener hears, also when an earlier one throws', async t => {
  const emitter = new Emitter<number>()
  const heard: number[] = []
  emitter.on(() => { throw new Error('first') })
  const off = emitter.on(n => { heard.push(n) })
  t.throws(() => { emitter.emit(1) }, { message: 'first' })
  off()
  t.throws(() => { emitter.emit(2) }, { message: 'first' })
  t.same(heard, [1])
})

t.test('however many listen, each hears until it leaves, and leaves only itself', async t => {
  for (const count of [1, 2, 3]) {
    const emitter = new Emitter<string>()
    const heard: string[] = []
    const leave = Array.from({ length: count }, (_, i) => emitter.on(event => { heard.push(`${event}${i}`) }))
    emitter.emit('a')
    t.same(heard.splice(0), Array.from({ length: count }, (_, i) => `a${i}`))
    leave[0]?.()
    leave[0]?.()
    emitter.emit('b')
    t.same(heard.splice(0), Array.from({ length: count - 1 }, (_, i) => `b${i + 1}`))
    emitter.on(event => { heard.push(`${event}new`) })
    emitter.emit('c')
    t.equal(heard.at(-1), 'cnew')
  }
})
