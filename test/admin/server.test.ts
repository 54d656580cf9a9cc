import { request } from 'node:http'
import t from 'tap'
import { startAdmin, startMetrics } from '../../src/admin/index.ts'
import { socketAddress } from '../../src/model/address.ts'
import { Readiness } from '../../src/observe/index.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { fakeRecorder, memoryLog } from '../fixtures/recorder.ts'
import type { Admin, AdminView } from '../../src/admin/index.ts'

interface Reply { readonly status: number, readonly headers: Readonly<Record<string, unknown>>, readonly body: string }

function ask (admin: Admin, path: string, { method = 'GET', host = 'localhost' } = {}): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  request({ host: admin.address.ip.text, port: admin.address.port, path, method, headers: { host }, agent: false }, response => {
    let body = ''
    response.setEncoding('utf8')
    response.on('data', (text: string) => { body += text })
    response.on('end', () => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body }) })
  }).on('error', reject).end()
  return promise
}

function world () {
  const fake = fakeRecorder()
  const readiness = new Readiness()
  const log = memoryLog()
  const view: AdminView = {
    about: { node: 'alpha', cluster: 'east', version: '1.2.3' },
    readiness: () => readiness.status(),
    metrics: () => fake.metrics.text(),
    flows: () => fake.recorder.recent(),
    facts: () => ({ cluster: 'east', manifests: [] }),
    dumps: { connections: () => [], policies: () => { throw new Error('broken dump') }, workloads: () => [{ key: 'shop/web-0', inode: 12n }] },
  }
  return { ...fake, readiness, log, view }
}

const anyPort = socketAddress('127.0.0.1', 0)

t.test('it says by name what is awaited, and becomes ready', async t => {
  const { readiness, view, log } = world()
  readiness.awaits('certificate of shop/web-0', 'no authority yet')
  readiness.awaits('capture')
  readiness.trouble('policies/web.yaml', 'line 3 is wrong')
  const admin = await startAdmin(anyPort, view, log)
  t.teardown(() => admin.stop())
  const before = await ask(admin, '/readyz')
  t.equal(before.status, 503)
  t.same(JSON.parse(before.body), {
    ready: false,
    awaited: [{ name: 'capture', detail: '' }, { name: 'certificate of shop/web-0', detail: 'no authority yet' }],
    troubles: [{ name: 'policies/web.yaml', detail: 'line 3 is wrong' }],
  })
  readiness.met('capture')
  readiness.met('certificate of shop/web-0')
  t.match(await ask(admin, '/readyz'), { status: 200 }, 'a trouble alone does not make it unready')
  t.match(await ask(admin, '/healthz'), { status: 200, body: 'ok\n' })
})

t.test('metrics, flows and dumps', async t => {
  const { recorder, view, log } = world()
  recorder.open('inbound', { client: socketAddress('10.0.0.1', 1), originalDestination: socketAddress('10.0.0.2', 80) }).close('denied-by-policy')
  const admin = await startAdmin(anyPort, view, log)
  t.teardown(() => admin.stop())
  t.match((await ask(admin, '/metrics')).body, /liburna_flows_total\{direction="inbound",mode="plain",verdict="undecided",outcome="denied-by-policy",peer="unknown"\} 1/)
  t.match(JSON.parse((await ask(admin, '/flows?limit=1')).body), [{ outcome: 'denied-by-policy' }])
  t.same(JSON.parse((await ask(admin, '/workloads')).body), [{ key: 'shop/web-0', inode: '12' }])
  t.same(JSON.parse((await ask(admin, '/facts')).body), { cluster: 'east', manifests: [] })
})

t.test('a dump that fails is a 500 and a log line, and the server lives on', async t => {
  const { view, log } = world()
  const admin = await startAdmin(anyPort, view, log)
  t.teardown(() => admin.stop())
  t.match(await ask(admin, '/policies'), { status: 500, body: '' })
  t.match(log.lines, [{ level: 'error', fields: { path: '/policies' } }])
  t.match(await ask(admin, '/healthz'), { status: 200 })
})

t.test('it only reads, and only for local names', async t => {
  const { view, log } = world()
  const admin = await startAdmin(anyPort, view, log)
  t.teardown(() => admin.stop())
  t.match(await ask(admin, '/healthz', { method: 'POST' }), { status: 405, headers: { allow: 'GET, HEAD' } })
  t.match(await ask(admin, '/healthz', { method: 'HEAD' }), { status: 200, body: '' })
  t.match(await ask(admin, '/quit'), { status: 404 })
  t.match(await ask(admin, '/metrics', { host: 'evil.example:9901' }), { status: 421 })
  t.match(await ask(admin, '/metrics', { host: '[::1]:9901' }), { status: 200 })
  t.match(await ask(admin, '/metrics', { host: '10.1.2.3' }), { status: 200 })
})

t.test('the page escapes what others have written', async t => {
  const { recorder, view, log, readiness } = world()
  readiness.awaits('<b>x</b>', '"quoted" & more')
  const flow = recorder.open('outbound', { client: socketAddress('10.0.0.1', 1), originalDestination: socketAddress('10.0.0.2', 80) })
  flow.deniedByPeer('<script>alert(1)</script>', "it's")
  flow.close('denied-by-peer')
  const admin = await startAdmin(anyPort, { ...view, dumps: { ...view.dumps, policies: () => [] } }, log)
  t.teardown(() => admin.stop())
  const { body, headers } = await ask(admin, '/')
  t.notMatch(body, /<script|<b>x/)
  t.match(body, /&#60;script&#62;alert\(1\)/)
  t.match(body, /liburna on alpha/)
  t.match(headers, { 'content-security-policy': /default-src 'none'/ })
})

t.test('the metrics server has metrics and nothing else', async t => {
  const { view, log } = world()
  const first = await startMetrics(anyPort, view, log)
  t.teardown(() => first.stop())
  t.match(await ask(first, '/metrics'), { status: 200, body: /^liburna_build_info/m })
  for (const path of ['/', '/healthz', '/readyz', '/flows', '/facts', '/connections', '/policies', '/workloads', '/metrics/']) t.match(await ask(first, path), { status: 404 }, path)
  t.match(await ask(first, '/metrics', { method: 'POST' }), { status: 405 })
  t.match(await ask(first, '/metrics', { host: 'evil.example:9903' }), { status: 421 })
})

t.test('a port of the agent before this one is had when that one ends, and not shared with it', async t => {
  const { view, log } = world()
  const clock = new FakeClock()
  const first = await startAdmin(anyPort, view, log)
  t.teardown(() => first.stop())
  const second = await startAdmin(first.address, { ...view, facts: () => 'the second' }, log, clock)
  t.teardown(() => second.stop())
  t.same(second.address, first.address)
  t.match(log.lines, [{ message: /a port is taken/, fields: { setting: 'admin.listen' } }])
  t.match(await ask(second, '/facts'), { body: /east/ }, 'the first one answers')
  await first.stop()
  clock.advance(100)
  await eventually(async () => (await ask(second, '/facts')).body.includes('the second'))
})

t.test('one that never got its port can be stopped', async t => {
  const { view, log } = world()
  const clock = new FakeClock()
  const first = await startAdmin(anyPort, view, log)
  t.teardown(() => first.stop())
  const second = await startAdmin(first.address, view, log, clock)
  await second.stop()
  clock.advance(1000)
  await eventually(() => clock.waiting === 0)
})

t.test('an address that is not of this machine is a clear error', async t => {
  const { view, log } = world()
  await t.rejects(startAdmin(socketAddress('192.0.2.1', 9901), view, log), { code: 'cannot-listen', message: /admin\.listen: cannot listen on 192\.0\.2\.1 port 9901: .*EADDRNOTAVAIL/ })
  await t.rejects(startMetrics(socketAddress('192.0.2.1', 9901), view, log), { code: 'cannot-listen', message: /^metrics\.listen: cannot listen/ })
})
