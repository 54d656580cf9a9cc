/** The client: what it makes of a server that is slow, busy, forgetful, or not there. */

import { mkdirSync } from 'node:fs'
import t from 'tap'
import { openCredentials } from '../../src/cluster/index.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { FakeApiServer } from '../fixtures/api-server.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { KubernetesWorld, paths } from '../fixtures/kubernetes-world.ts'
import type { KubernetesSource } from '../../src/cluster/index.ts'

function names (source: KubernetesSource): string[] {
  return source.manifests().map(({ origin }) => origin.replace('NetworkPolicy shop/', ''))
}

function listsOf (server: FakeApiServer, path: string): number {
  return server.requests.filter(line => line.startsWith(`GET ${path}?`) && !line.includes('watch=true')).length
}

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

t.test('a watch that breaks off goes on from where it was, without a list', async t => {
  const world = await KubernetesWorld.start(t)
  const source = await world.source()
  await eventually(() => world.server.watches >= 4)
  world.server.cut(paths.networkPolicies)
  world.policy('a')
  await eventually(() => names(source).join() === 'a')
  world.server.end(paths.networkPolicies)
  world.policy('b')
  await eventually(() => names(source).join() === 'a,b')
  t.equal(listsOf(world.server, paths.networkPolicies), 1)
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

t.test('a stream that goes back in time is not believed', async t => {
  const world = await KubernetesWorld.start(t)
  world.policy('a')
  const source = await world.source()
  await eventually(() => world.server.watches >= 4)
  world.server.send(paths.networkPolicies, { type: 'ADDED', object: { metadata: { name: 'ghost', namespace: 'shop', resourceVersion: '7' }, spec: {} } })
  await eventually(() => listsOf(world.server, paths.networkPolicies) === 2)
  t.same(names(source), ['a'])
})

for (const [what, event] of [
  ['an event of an unknown type', { type: 'ODD', object: { metadata: { name: 'x', resourceVersion: '9999' } } }],
  ['an object without a name', { type: 'ADDED', object: { metadata: { resourceVersion: '9999' } } }],
  ['an object without a version', { type: 'ADDED', object: { metadata: { name: 'x' } } }],
] as const) {
  t.test(`${what} leads to a new list`, async t => {
    const world = await KubernetesWorld.start(t)
    const source = await world.source()
    await eventually(() => world.server.watches >= 4)
    world.server.send(paths.networkPolicies, event)
    world.policy('a')
    await eventually(() => names(source).join() === 'a')
    t.equal(listsOf(world.server, paths.networkPolicies), 2)
  })
}

t.test('an answer that is no JSON, or is cut, keeps what was known', async t => {
  const world = await KubernetesWorld.start(t)
  world.policy('a')
  const source = await world.source()
  await eventually(() => world.server.watches >= 4)
  world.server.fault(paths.networkPolicies, { garbage: '{"items": [' })
  world.server.forget()
  await eventually(() => source.failures().some(({ message }) => /networkpolicies/.test(message)))
  t.same(names(source), ['a'])
  world.server.heal(paths.networkPolicies)
  await eventually(() => source.failures().length === 0)
})

t.test('a busy server is asked again when it says', async t => {
  const world = await KubernetesWorld.start(t)
  world.server.fault(paths.pods, { status: 429, retryAfterSeconds: 1 })
  const startMs = performance.now()
  const opening = world.source()
  await eventually(() => listsOf(world.server, paths.pods) === 2)
  t.ok(performance.now() - startMs >= 990, 'not before')
  world.server.heal(paths.pods)
  await opening
})

t.test('a long list comes in pages', async t => {
  const world = await KubernetesWorld.start(t)
  for (let i = 0; i < 1201; i++) world.policy(`p${i}`)
  const source = await world.source()
  t.equal(source.manifests().length, 1201)
  t.equal(listsOf(world.server, paths.networkPolicies), 3)
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
