import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { Capture, disarmNetns, noExclusions } from '../../src/capture/index.ts'
import { liveFds, traceFds } from '../../src/sys/index.ts'
import { fails, greet, heldMs, hold, readAll, stateOf, wire, World } from './world.ts'
import { kernelTest } from './kernel-test.ts'
import { SmallAgent } from './small-agent.ts'

traceFds(true)

kernelTest('connections in and out pass through the agent, in both families, with their source address', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  for (const [place, port] of [[pod, 8080], [outside, 9090]] as const) {
    await place.serve('0.0.0.0', port, greet)
    await place.serve('::', port, greet)
  }
  const agent = await SmallAgent.start(new Capture(), pod)
  t.equal(await readAll(await outside.dial('10.9.0.1', 8080)), 'hello 10.9.0.2')
  t.equal(await readAll(await outside.dial('fd00::1', 8080)), 'hello fd00::2')
  t.equal(await readAll(await pod.dial('10.9.0.2', 9090)), 'hello 10.9.0.1')
  t.equal(await readAll(await pod.dial('fd00::2', 9090)), 'hello fd00::1')
  t.same(agent.seen, [
    'inbound 10.9.0.2 -> 10.9.0.1 8080', 'inbound fd00::2 -> fd00::1 8080',
    'outbound 10.9.0.1 -> 10.9.0.2 9090', 'outbound fd00::1 -> fd00::2 9090',
  ])
  await agent.disarm()
})

kernelTest('an application can listen anew while captured connections use that port number', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  const app = await pod.serve('::', 8080, hold)
  await outside.serve('::', 8081, hold)
  const agent = await SmallAgent.start(new Capture(), pod)
  const [inbound, outbound] = [await outside.dial('fd00::1', 8080), await pod.dial('fd00::2', 8081)]
  await eventually(() => inbound.bytesRead > 0 && outbound.bytesRead > 0)
  app.server.close()
  await pod.serve('::', 8080, greet)
  await pod.serve('::', 8081, greet)
  t.equal(await readAll(await outside.dial('fd00::1', 8080)), 'hello fd00::2')
  t.equal(await readAll(await outside.dial('fd00::1', 8081)), 'hello fd00::2')
  await agent.disarm()
})

kernelTest('loopback and the pod\'s own address are not captured', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  await pod.serve('0.0.0.0', 8080, greet)
  await pod.serve('::', 8080, greet)
  const agent = await SmallAgent.start(new Capture(), pod)
  for (const host of ['127.0.0.1', '127.9.9.9', '10.9.0.1', '::1', 'fd00::1']) {
    t.match(await readAll(await pod.dial(host, 8080)), /^hello/, host)
  }
  t.same(agent.seen, [])
  await agent.disarm()
})

kernelTest('an agent that comes back finds the rules and takes over', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.serve('0.0.0.0', 8080, greet)
  const before = await stateOf(pod)
  const dead = await SmallAgent.start(new Capture(), pod)
  dead.die()
  const agent = await SmallAgent.start(new Capture(), pod)
  t.equal(await readAll(await outside.dial('10.9.0.1', 8080)), 'hello 10.9.0.2')
  t.equal(agent.seen.length, 1)
  await agent.disarm()
  t.same(await stateOf(pod), before, 'and still knows what to restore')
})

kernelTest('disarming leaves nothing behind', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.sh('sysctl -qw net.ipv4.tcp_tw_reuse=0')
  const app = await pod.serve('0.0.0.0', 8080, greet)
  const before = await stateOf(pod)
  const agent = await SmallAgent.start(new Capture(), pod)
  t.notSame(await stateOf(pod), before)
  await agent.disarm()
  t.same(await stateOf(pod), before)
  t.equal(await readAll(await outside.dial('10.9.0.1', 8080, { from: ['10.9.0.2', 45_000] })), 'hello 10.9.0.2')
  t.same(app.remotes, ['10.9.0.2 45000'], 'the client itself reaches the application again')
  await agent.disarm()
})

kernelTest('what a dead agent left can be removed by name', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const before = await stateOf(pod)
  const agent = await SmallAgent.start(new Capture(), pod)
  agent.die()
  await disarmNetns(pod.name)
  t.same(await stateOf(pod), before)
  await disarmNetns(pod.name)
  t.same(await stateOf(pod), before, 'again, where nothing is')
  await t.rejects(disarmNetns('no-such-namespace'), { code: 'ENOENT' })
})

kernelTest('the same namespace cannot be armed twice', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const capture = new Capture()
  const first = await capture.open({ netns: pod.name, name: 'shop/web-0', exclude: noExclusions })
  await t.rejects(capture.open({ netns: `/run/netns/${pod.name}`, name: 'shop/web-1', exclude: noExclusions }), { code: 'already-armed' })
  await first.disarm()
  await (await capture.open({ netns: pod.name, name: 'shop/web-1', exclude: noExclusions })).disarm()
  await t.rejects(capture.open({ netns: 'no-such-namespace', name: 'x', exclude: noExclusions }), { code: 'ENOENT' })
})

kernelTest('a namespace without IPv6 is captured in IPv4, and IPv6 stays shut', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.sh('sysctl -qw net.ipv6.conf.lo.disable_ipv6=1')
  await pod.serve('0.0.0.0', 8080, greet)
  const app6 = await pod.serve('::', 8080, greet)
  const far = await outside.serve('::', 9090, greet)
  const agent = await SmallAgent.start(new Capture(), pod)
  t.equal(await readAll(await outside.dial('10.9.0.1', 8080)), 'hello 10.9.0.2')
  t.not(await fails(outside.dial('fd00::1', 8080, { withinMs: heldMs })), 'connected')
  t.not(await fails(pod.dial('fd00::2', 9090, { withinMs: heldMs })), 'connected')
  t.same([app6.remotes, far.remotes], [[], []])
  await agent.disarm()
})

t.test('no descriptor is left open by all of the above', t => {
  t.same(liveFds().map(fd => fd.madeBy), [])
  t.end()
})
