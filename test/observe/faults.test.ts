import { EventEmitter } from 'node:events'
import t from 'tap'
import { Faults, Metrics } from '../../src/observe/index.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { memoryLog } from '../fixtures/recorder.ts'

function world () {
  const [source, clock, log] = [new EventEmitter(), new FakeClock(), memoryLog()]
  const metrics = new Metrics({ version: 'test', node: 'test' })
  return { source, clock, log, metrics, faults: new Faults({ log, metrics, clock }, source) }
}

t.test('an uncaught exception is told and counted, and the agent goes on', async t => {
  const { source, log, metrics, faults } = world()
  source.emit('uncaughtException', new Error('one'))
  source.emit('unhandledRejection', new Error('two'))
  t.match(log.lines, [{ level: 'error', fields: { error: { message: 'one' } } }, { fields: { error: { message: 'two' } } }])
  t.match((await metrics.text()).text, /liburna_internal_faults_total\{fault="uncaught"\} 2/)
  faults[Symbol.dispose]()
  t.equal(source.listenerCount('uncaughtException') + source.listenerCount('unhandledRejection'), 0)
})

t.test('too many within a minute end it, and as many over hours do not', async t => {
  const slow = world()
  for (let i = 0; i < 300; i++) {
    slow.clock.advance(10_000)
    slow.source.emit('uncaughtException', new Error('now and then'))
  }
  t.equal(await Promise.race([slow.faults.tooMany.catch(() => 'ended'), Promise.resolve('goes on')]), 'goes on')
  const fast = world()
  for (let i = 0; i < 101; i++) fast.source.emit('uncaughtException', new Error('again'))
  await t.rejects(fast.faults.tooMany, { message: '101 uncaught exceptions within a minute' })
})
