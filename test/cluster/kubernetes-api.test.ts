/** The client: what it makes of a server that is slow, busy, forgetful, or not there. */

import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import t from 'tap'
import { Api, KubernetesSource, openCredentials } from '../../src/cluster/index.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { testApiClient } from '../conformance/api-client.ts'
import { FakeApiServer } from '../fixtures/api-server.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { KubernetesWorld, paths } from '../fixtures/kubernetes-world.ts'
import type { AddressInfo } from 'node:net'

function names (source: KubernetesSource): string[] {
  return source.manifests().map(({ origin }) => origin.replace('NetworkPolicy shop/', ''))
}

function listsOf (server: FakeApiServer, path: string): number {
  return server.requests.filter(line => line.startsWith(`GET ${path}?`) && !line.includes('watch=true')).length
}

t.test('the client of the small API server', async t => {
  testApiClient(t, async t => {
    const world = await KubernetesWorld.start(t)
    const setPolicies = (names: readonly string[]): void => {
      for (const key of world.server.keys(paths.networkPolicies)) if (!names.some(name => key === `shop/${name}`)) world.server.remove(paths.networkPolicies, key.slice(5), 'shop')
      for (const name of names) if (!world.server.keys(paths.networkPolicies).includes(`shop/${name}`)) world.policy(name)
    }
    return { wire: world.server, setPolicies, source: () => world.source() }
  })
})

t.test('a watch whose history is gone lists again and forgets nothing meanwhile', async t => {
  const world = await KubernetesWorld.start(t)
  world.policy('a')
  world.policy('b')
  const source = await world.source()
  await eventually(() => world.server.watches >= 4)
  const seen: string[][] = []
  source.onChange(change => { if (change.kind === 'manifests-replaced') seen.push(names(source)) })
  world.server.fault(paths.networkPolicies, { status: 503 })
  world.server.forget()
  world.server.remove(paths.networkPolicies, 'b', 'shop')
  world.policy('c')
  world.server.heal(paths.networkPolicies)
  await eventually(() => names(source).join() === 'a,c')
  t.equal(seen.some(names => names.length === 0), false)
  t.equal(listsOf(world.server, paths.networkPolicies), 2)
})

t.test('a bookmark moves the place from which a watch goes on', async t => {
  const world = await KubernetesWorld.start(t)
  const source = await world.source()
  await eventually(() => world.server.watches >= 4)
  world.pod({ name: 'far', node: 'n2' }) // moves the version without telling the watch of policies
  world.server.bookmark(paths.networkPolicies)
  world.policy('a')
  await eventually(() => names(source).join() === 'a')
  world.server.cut(paths.networkPolicies)
  await eventually(() => world.server.requests.some(line => line.includes('networkpolicies') && /watch=true.*resourceVersion=1003/.test(line)))
})

t.test('of namespaces only the metadata is asked for, and of pods only those of the node', async t => {
  const world = await KubernetesWorld.start(t)
  await world.source()
  t.ok(world.server.requests.filter(line => line.includes(`${paths.pods}?`)).every(line => line.includes('fieldSelector=spec.nodeName%3Dn1')))
})

t.test('a server that comes back at the same place is found again', async t => {
  const world = await KubernetesWorld.start(t)
  world.policy('a')
  const source = await world.source()
  const { port } = world.server
  await world.server[Symbol.asyncDispose]()
  await eventually(() => source.failures().length >= 4)
  t.same(names(source), ['a'])
  t.match(source.failures()[0]?.message, /: no answer of the API server: /)
  await using again = await FakeApiServer.start(port)
  again.put(paths.networkPolicies, { metadata: { name: 'b', namespace: 'shop' }, spec: {} })
  for (let i = 0; i < 10; i++) again.put(paths.pods, { metadata: { name: `p${i}`, namespace: 'shop' } }) // time has gone on
  again.forget()
  await eventually(() => names(source).join() === 'b' || undefined, 30_000)
})

t.test('an answer that does not come, or stops coming, is given up; a watch may be silent for longer', async t => {
  const world = await KubernetesWorld.start(t)
  const open = (silenceMs: number): Api => new Api({ server: new URL(world.server.url), options: async () => ({}) }, { silenceMs })
  using impatient = open(100)
  using api = open(2000)
  world.server.fault(paths.pods, { hang: true })
  await t.rejects(impatient.request(paths.pods), { code: 'api-unreachable', message: /no answer for 100 ms/ })
  world.server.heal(paths.pods)
  const told: unknown[] = []
  const stop = new AbortController()
  const watching = (async () => { for await (const event of api.stream(paths.pods, { query: { watch: 'true', resourceVersion: '9999' }, signal: stop.signal }, () => {})) told.push(event) })()
  await eventually(() => world.server.watching(paths.pods) === 1)
  await new Promise(resolve => setTimeout(resolve, 2500)) // longer than an answer may be silent
  world.pod({ name: 'web' })
  await eventually(() => told.length === 1)
  stop.abort(new Error('enough'))
  await t.rejects(watching, /enough/)
})

t.test('a kept connection that the server lets go just now costs one more try, and no failure', async t => {
  // It answers the first request of each connection and resets the connection at the second.
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    if (seen.has(request.socket)) { request.socket.resetAndDestroy(); return }
    seen.add(request.socket)
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"n": 1}')
  })
  const seen = new WeakSet<object>()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const { port } = server.address() as AddressInfo // it listens on TCP
  using api = new Api({ server: new URL(`http://127.0.0.1:${port}`), options: async () => ({}) })
  t.same(await api.request('/a'), { n: 1 })
  t.same(await api.request('/b'), { n: 1 })
  t.equal(requests, 3)
  await t.rejects(api.request('/c', { method: 'POST', body: {} }), { code: 'api-unreachable' }, 'what may have been done is not done again')
})

t.test('an API server that is away for hours costs little, takes nothing away, and is found again', async t => {
  const world = await KubernetesWorld.start(t)
  world.policy('a')
  const clock = new FakeClock()
  const source = await KubernetesSource.open({ node: 'n1', cluster: 'east', trustDomain: 'east.example', mode: 'unset', podAnnotations: true }, { api: world.api(), clock, log: world.log })
  t.teardown(() => { source.stop() })
  await eventually(() => world.server.watches >= 4)
  const kinds = [paths.pods, paths.namespaces, paths.networkPolicies, paths.definitions]
  for (const path of kinds) { world.server.fault(path, { status: 503 }); world.server.cut(path) }
  const asked = (): number => world.server.requests.filter(line => line.startsWith(`GET ${paths.networkPolicies}?`)).length
  const times: number[] = []
  // A second in each step: an answer comes over a real socket, and the next wait begins after it.
  for (let seen = asked(); times.length < 12;) {
    await eventually(() => asked() > seen || void clock.advance(1000))
    seen = asked()
    times.push(clock.now())
  }
  const gaps = times.slice(1).map((ms, i) => ms - (times[i] ?? 0))
  t.ok(gaps.slice(-2).every(ms => ms >= 15_000), `asked after ${gaps.join(', ')} ms`)
  clock.advance(3 * 3_600_000)
  t.same(names(source), ['a'])
  t.ok(clock.now() - (source.ages().find(({ name }) => name === 'networkpolicies')?.staleSinceMs ?? Infinity) >= 3 * 3_600_000)
  for (const path of kinds) world.server.heal(path)
  world.policy('b')
  await eventually(() => { clock.advance(30_000); return names(source).join() === 'a,b' })
  await eventually(() => { clock.advance(1000); return source.failures().length === 0 })
})

t.test('credentials of a service account are two files that are read again', async t => {
  using folder = new TestFolder()
  mkdirSync(folder.at('sa'))
  folder.write('sa/token', 'one\n')
  folder.write('sa/ca.crt', 'root')
  const clock = new FakeClock()
  const credentials = await openCredentials({ server: 'https://10.0.0.1:443', kubeconfig: '', serviceAccount: folder.at('sa') }, clock)
  t.match(await credentials.options(), { headers: { Authorization: 'Bearer one' }, ca: 'root' })
  folder.write('sa/token', 'two\n')
  t.match(await credentials.options(), { headers: { Authorization: 'Bearer one' } })
  clock.advance(60_000)
  t.match(await credentials.options(), { headers: { Authorization: 'Bearer two' } })
})

t.test('credentials come from a kubeconfig, too, and say what is wrong with it', async t => {
  using folder = new TestFolder()
  folder.write('config', JSON.stringify({
    'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'c', 'contexts': [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    'clusters': [{ name: 'k', cluster: { server: 'https://127.0.0.1:6443' } }], 'users': [{ name: 'u', user: { token: 'secret' } }],
  }))
  const settings = { server: '', serviceAccount: '/nowhere' }
  const credentials = await openCredentials({ ...settings, kubeconfig: folder.at('config') }, systemClock)
  t.equal(credentials.server.host, '127.0.0.1:6443')
  t.match(await credentials.options(), { headers: { Authorization: 'Bearer secret' } })
  await t.rejects(openCredentials({ ...settings, kubeconfig: folder.at('none') }, systemClock), /none: cannot be used as a kubeconfig/)
  await t.rejects(openCredentials({ ...settings, kubeconfig: '' }, systemClock), /is no URL of an API server/)
})
