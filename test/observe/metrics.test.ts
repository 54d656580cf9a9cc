import t from 'tap'
import { Metrics } from '../../src/observe/index.ts'
import { memorySink } from '../fixtures/recorder.ts'

const build = { version: '1.2.3', node: 'v24' }

async function lines (metrics: Metrics): Promise<string[]> {
  return (await metrics.text()).text.split('\n').filter(line => line.startsWith('liburna_'))
}

t.test('a counter is there before its first event, so that no rate misses it', async t => {
  const text = await lines(new Metrics(build))
  for (const line of ['liburna_build_info{version="1.2.3",node="v24"} 1', 'liburna_connections_open{direction="inbound"} 0', 'liburna_bytes_total{direction="outbound",way="received"} 0',
    'liburna_reload_failures_total{source="policies"} 0', 'liburna_workloads{state="captured"} 0', 'liburna_lines_dropped_total{stream="records"} 0', 'liburna_certificate_renewal_failures_total 0']) {
    t.ok(text.includes(line), line)
  }
})

t.test('no label is ever empty', async t => {
  t.same((await lines(new Metrics(build))).filter(line => line.includes('=""')), [])
})

t.test('names beyond the bound become other', async t => {
  const metrics = new Metrics(build)
  for (let i = 0; i < 600; i++) metrics.certificateIssued(`shop/web-${i}`, i * 1000)
  for (let i = 0; i < 100; i++) metrics.handshakeEnded('inbound', `code-${i}`, 0.01)
  const text = await lines(metrics)
  t.equal(text.filter(line => line.startsWith('liburna_certificate_not_after_seconds')).length, 501)
  t.ok(text.includes('liburna_certificate_not_after_seconds{workload="shop/web-7"} 7'))
  t.ok(text.includes('liburna_handshake_seconds_count{direction="inbound",result="other"} 60'))
  metrics.workloadForgotten('shop/web-7')
  t.notOk((await lines(metrics)).some(line => line.includes('"shop/web-7"')))
})

t.test('dropped lines are asked of the sinks at each scrape', async t => {
  const metrics = new Metrics(build)
  const sink = { ...memorySink(), dropped: 3 }
  metrics.watchSink('log', sink)
  t.ok((await lines(metrics)).includes('liburna_lines_dropped_total{stream="log"} 3'))
  sink.dropped = 5
  t.ok((await lines(metrics)).includes('liburna_lines_dropped_total{stream="log"} 5'))
})

t.test('gauges say the latest', async t => {
  const metrics = new Metrics(build)
  metrics.policyEnforced(7, 12)
  metrics.workloads(3, 2)
  metrics.certificateFailed()
  const text = await lines(metrics)
  for (const line of ['liburna_policy_revision 7', 'liburna_policy_objects 12', 'liburna_workloads{state="known"} 3', 'liburna_workloads{state="captured"} 2', 'liburna_certificate_renewal_failures_total 1']) t.ok(text.includes(line), line)
})
