import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { Capture } from '../../src/capture/index.ts'
import { liveFds, traceFds } from '../../src/sys/index.ts'
import { ending, fails, greet, heldMs, hold, readAll, wire, World } from './world.ts'
import { kernelTest } from './kernel-test.ts'
import { SmallAgent } from './small-agent.ts'

traceFds(true)

kernelTest('while the agent is dead connections are held, in and out', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  const apps = [await pod.serve('0.0.0.0', 8080, greet), await pod.serve('::', 8080, greet)]
  const far = [await outside.serve('0.0.0.0', 9090, greet), await outside.serve('::', 9090, greet)]
  const agent = await SmallAgent.start(new Capture(), pod)
  agent.die()
  t.same(await Promise.all([
    fails(outside.dial('10.9.0.1', 8080, { withinMs: heldMs })), fails(outside.dial('fd00::1', 8080, { withinMs: heldMs })),
    fails(pod.dial('10.9.0.2', 9090, { withinMs: heldMs })), fails(pod.dial('fd00::2', 9090, { withinMs: heldMs })),
  ]), ['ETIMEDOUT', 'ETIMEDOUT', 'ETIMEDOUT', 'ETIMEDOUT'])
  t.same([...apps, ...far].flatMap(app => app.remotes), [], 'nothing reached an application')
  t.match(await readAll(await pod.dial('127.0.0.1', 8080)), /^hello/, 'loopback goes on')
})

kernelTest('the guard holds a SYN whose old connection is still in TIME_WAIT at the dead agent', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await outside.sh('sysctl -qw net.ipv4.tcp_tw_reuse=1')
  const app = await pod.serve('0.0.0.0', 8080, greet)
  const app6 = await pod.serve('::', 8080, greet)
  const agent = await SmallAgent.start(new Capture(), pod)
  for (const [client, host] of [['10.9.0.2', '10.9.0.1'], ['fd00::2', 'fd00::1']] as const) {
    await readAll(await outside.dial(host, 8080, { from: [client, 45_000] })) // the agent ends first and keeps TIME_WAIT
    await eventually(async () => (await pod.sh('ss -Htn state time-wait')).includes(':45000'))
  }
  agent.die()
  const before = [app.remotes.length, app6.remotes.length]
  const delivered = await pod.count('input', 'iif != lo tcp dport 8080')
  t.equal(await fails(outside.dial('10.9.0.1', 8080, { from: ['10.9.0.2', 45_000], withinMs: heldMs })), 'ETIMEDOUT')
  t.equal(await fails(outside.dial('fd00::1', 8080, { from: ['fd00::2', 45_000], withinMs: heldMs })), 'ETIMEDOUT')
  t.same([app.remotes.length, app6.remotes.length], before, 'nothing reached the application')
  t.equal(await delivered(), 0, 'not even a SYN')
})

kernelTest('the death of the agent ends live connections', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.serve('0.0.0.0', 8080, hold)
  const agent = await SmallAgent.start(new Capture(), pod)
  const client = await outside.dial('10.9.0.1', 8080)
  await eventually(() => client.bytesRead > 0)
  agent.die()
  t.match(await ending(client), /^(end|ECONNRESET)$/)
})

kernelTest('nobody can dial the agent\'s own listeners', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  const agent = await SmallAgent.start(new Capture(), pod)
  const rules = await pod.sh('nft list table inet liburna')
  const ports = [...rules.matchAll(/tproxy ip6? to \S+:(\d+)/g)].map(([, port]) => Number(port))
  t.equal(new Set(ports).size, 4)
  for (const port of new Set(ports)) {
    t.equal(await fails(pod.dial('127.0.0.1', port)), 'ECONNREFUSED')
    t.equal(await fails(pod.dial('::1', port)), 'ECONNREFUSED')
    t.not(await fails(outside.dial('10.9.0.1', port).then(async socket => { await readAll(socket); return socket })), 'connected')
  }
  t.ok(agent.seen.every(line => line.startsWith('inbound 10.9.0.2 -> 10.9.0.1')), 'from the wire it is a port like any other')
  await agent.disarm()
})

kernelTest('an application that ties its socket to an interface is held, not let out', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  const far = await outside.serve('0.0.0.0', 9090, greet)
  const agent = await SmallAgent.start(new Capture(), pod)
  const device = /: (e\d+)@/.exec(await pod.sh('ip -o link'))?.[1] ?? ''
  const onTheWire = await outside.count('prerouting', 'tcp dport 9090')
  t.not(await fails(pod.dial('10.9.0.2', 9090, { device, withinMs: heldMs })), 'connected')
  t.same(far.remotes, [])
  t.equal(await onTheWire(), 0)
  await agent.disarm()
  await readAll(await pod.dial('10.9.0.2', 9090, { device }))
  t.equal(far.remotes.length, 1, 'without rules it gets there')
})

kernelTest('a packet injected from the wire never reaches a captured connection of the application', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.serve('0.0.0.0', 8080, hold)
  const far = await outside.serve('0.0.0.0', 9090, hold)
  const agent = await SmallAgent.start(new Capture(), pod)
  const [dialled, accepted] = [await pod.dial('10.9.0.2', 9090), await outside.dial('10.9.0.1', 8080)]
  await eventually(() => dialled.bytesRead > 0 && accepted.bytesRead > 0)
  far.server.close() // so that its port can be bound again
  const port = dialled.localPort ?? 0
  const [inner = 0] = agent.podPorts
  // What the outside dials leaves as a lone ACK: the shape of an injection.
  await outside.nft(`table ip forge { chain c { type filter hook output priority 0;
    tcp dport { ${port}, 8080 } tcp sport { 9090, ${inner} } tcp flags syn tcp flags set ack; }; }`)
  const arrived = await pod.count('prerouting', 'iif != lo tcp flags ack tcp sport { 9090, ' + `${inner} }`)
  const delivered = await pod.count('input', `iif != lo tcp sport { 9090, ${inner} } tcp dport { ${port}, 8080 }`)
  // A reset answers, which a socket that waits for a SYN-ACK does not believe.
  t.equal(await fails(outside.dial('10.9.0.1', port, { from: ['10.9.0.2', 9090], withinMs: 200 })), 'ETIMEDOUT')
  t.equal(await fails(outside.dial('10.9.0.1', 8080, { from: ['10.9.0.2', inner], withinMs: 200 })), 'ETIMEDOUT')
  t.ok(await arrived() >= 2, 'one to the connection it dialled, one to the one it accepted')
  t.equal(await delivered(), 0)
  const echoes = [dialled, accepted].map(socket => socket.destroyed)
  t.same(echoes, [false, false], 'and both live on')
  await agent.disarm()
})

kernelTest('connections from before are reset, none goes on unjudged', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.serve('0.0.0.0', 8080, hold)
  await outside.serve('0.0.0.0', 9090, hold)
  const [inbound, outbound] = [await outside.dial('10.9.0.1', 8080), await pod.dial('10.9.0.2', 9090)]
  await eventually(() => inbound.bytesRead > 0 && outbound.bytesRead > 0)
  const agent = await SmallAgent.start(new Capture(), pod)
  const endings = [ending(inbound), ending(outbound)]
  inbound.write('more')
  outbound.write('more')
  t.same(await Promise.all(endings), ['ECONNRESET', 'ECONNRESET'])
  await agent.disarm()
})

t.test('no descriptor is left open by all of the above', t => {
  t.same(liveFds().map(fd => fd.madeBy), [])
  t.end()
})
