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
