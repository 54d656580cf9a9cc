import t from 'tap'
import { Readiness } from '../../src/observe/index.ts'

t.test('ready is: nothing is awaited', async t => {
  const readiness = new Readiness()
  t.same(readiness.status(), { ready: true, awaited: [], troubles: [] })
  readiness.awaits('b')
  readiness.awaits('a', 'first')
  readiness.awaits('a', 'second')
  t.same(readiness.status(), { ready: false, awaited: [{ name: 'a', detail: 'second' }, { name: 'b', detail: '' }], troubles: [] })
  readiness.met('a')
  readiness.met('b')
  readiness.met('never asked for')
  t.ok(readiness.status().ready)
})

t.test('trouble is told, without making it unready', async t => {
  const readiness = new Readiness()
  readiness.trouble('web.yaml', 'line 1')
  t.same(readiness.status(), { ready: true, awaited: [], troubles: [{ name: 'web.yaml', detail: 'line 1' }] })
  readiness.settled('web.yaml')
  t.same(readiness.status().troubles, [])
})
