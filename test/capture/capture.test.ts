import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { Capture, noExclusions } from '../../src/capture/index.ts'
import { liveFds, traceFds } from '../../src/sys/index.ts'
import { ipFrom, socketAddress } from '../../src/model/address.ts'
import { cidrOf, ending, readAll, World } from './world.ts'
import { SmallAgent } from './small-agent.ts'
import type { Socket } from 'node:net'
import type { Place } from './world.ts'

traceFds(true)

const greet = (socket: Socket): void => { socket.end(`hello ${socket.remoteAddress ?? ''}`) }
const hold = (socket: Socket): void => { socket.write('held') }
/** Long enough for two SYNs (the second after one second), short enough to wait for. */
const heldMs = 1500

/** A pod and something outside, on one wire. */
async function wire (world: World): Promise<{ pod: Place, outside: Place }> {
  const [pod, outside] = [await world.place(), await world.place()]
  await world.join(pod, ['10.9.0.1/24', 'fd00::1/64'], outside, ['10.9.0.2/24', 'fd00::2/64'])
  return { pod, outside }
}

async function fails (dial: Promise<Socket>): Promise<string> {
  return dial.then(socket => { socket.destroy(); return 'connected' }, (error: NodeJS.ErrnoException) => error.code ?? 'error')
}

t.test('connections in and out pass through the agent, in both families, with their source address', async t => {
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

t.test('loopback and the pod\'s own address are not captured', async t => {
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

t.test('while the agent is dead connections are held, in and out', async t => {
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

t.test('the guard holds a SYN whose old connection is still in TIME_WAIT at the dead agent', async t => {
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
  t.equal(await fails(outside.dial('10.9.0.1', 8080, { from: ['10.9.0.2', 45_000], withinMs: heldMs })), 'ETIMEDOUT')
  t.equal(await fails(outside.dial('fd00::1', 8080, { from: ['fd00::2', 45_000], withinMs: heldMs })), 'ETIMEDOUT')
  t.same([app.remotes.length, app6.remotes.length], before, 'nothing reached the application')
})

t.test('the death of the agent ends live connections', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.serve('0.0.0.0', 8080, hold)
  const agent = await SmallAgent.start(new Capture(), pod)
  const client = await outside.dial('10.9.0.1', 8080)
  await eventually(() => client.bytesRead > 0)
  agent.die()
  t.match(await ending(client), /^(end|ECONNRESET)$/)
})

t.test('an agent that comes back finds the rules and takes over', async t => {
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

t.test('disarming leaves nothing behind', async t => {
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

t.test('the same namespace cannot be armed twice', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const capture = new Capture()
  const first = await capture.arm({ netns: pod.name, name: 'shop/web-0', exclude: noExclusions })
  await t.rejects(capture.arm({ netns: `/run/netns/${pod.name}`, name: 'shop/web-1', exclude: noExclusions }), { code: 'already-armed' })
  await first.disarm()
  await (await capture.arm({ netns: pod.name, name: 'shop/web-1', exclude: noExclusions })).disarm()
  await t.rejects(capture.arm({ netns: 'no-such-namespace', name: 'x', exclude: noExclusions }), { code: 'ENOENT' })
})

t.test('a namespace without IPv6 is captured in IPv4, and IPv6 stays shut', async t => {
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

t.test('nobody can dial the agent\'s own listeners', async t => {
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

t.test('an application that ties its socket to an interface is held, not let out', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  const far = await outside.serve('0.0.0.0', 9090, greet)
  const agent = await SmallAgent.start(new Capture(), pod)
  const device = /: (e\d+)@/.exec(await pod.sh('ip -o link'))?.[1] ?? ''
  t.not(await fails(pod.dial('10.9.0.2', 9090, { device, withinMs: heldMs })), 'connected')
  t.same(far.remotes, [])
  await agent.disarm()
  await readAll(await pod.dial('10.9.0.2', 9090, { device }))
  t.equal(far.remotes.length, 1, 'without rules it gets there')
})

t.test('connections from before are reset, none goes on unjudged', async t => {
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

t.test('what is excluded is left alone, and nothing else', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  const other = await world.place()
  await world.join(other, ['10.7.0.2/24', 'fd07::2/64'], pod, ['10.7.0.1/24', 'fd07::1/64'])
  const [app, app6] = [await pod.serve('0.0.0.0', 8080, greet), await pod.serve('::', 8080, greet)]
  const open = await pod.serve('0.0.0.0', 2222, greet)
  await outside.serve('0.0.0.0', 5432, greet)
  await outside.serve('0.0.0.0', 9090, greet)
  const [byBlock, byBlock6] = [await other.serve('0.0.0.0', 9090, greet), await other.serve('::', 9090, greet)]
  const agent = await SmallAgent.start(new Capture(), pod, {
    inboundPorts: [{ from: 2200, to: 2299 }], outboundPorts: [{ from: 5432, to: 5432 }], cidrs: [cidrOf('10.7.0.0/24'), cidrOf('fd07::/64')],
  })
  await readAll(await outside.dial('10.9.0.1', 2222, { from: ['10.9.0.2', 45_001] }))
  t.same(open.remotes, ['10.9.0.2 45001'])
  t.equal(await fails(outside.dial('10.9.0.1', 2223)), 'ECONNREFUSED', 'the kernel answers for a closed port')
  await readAll(await other.dial('10.7.0.1', 8080, { from: ['10.7.0.2', 45_002] }))
  await readAll(await other.dial('fd07::1', 8080, { from: ['fd07::2', 45_003] }))
  t.same([app.remotes, app6.remotes], [['10.7.0.2 45002'], ['fd07::2 45003']])
  await readAll(await pod.dial('10.9.0.2', 5432))
  await readAll(await pod.dial('10.7.0.2', 9090, { from: ['10.7.0.1', 45_004] }))
  await readAll(await pod.dial('fd07::2', 9090, { from: ['fd07::1', 45_005] }))
  t.same([byBlock.remotes, byBlock6.remotes], [['10.7.0.1 45004'], ['fd07::1 45005']])
  t.same(agent.seen, [])
  await readAll(await pod.dial('10.9.0.2', 9090))
  await readAll(await outside.dial('10.9.0.1', 8080))
  t.equal(agent.seen.length, 2)
  await agent.pod.exclude(noExclusions)
  await readAll(await pod.dial('10.9.0.2', 5432))
  t.equal(agent.seen.length, 3, 'a change counts at once')
  await agent.disarm()
})

t.test('an excluded port as source does not let an application out', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await outside.serve('0.0.0.0', 9090, greet)
  const agent = await SmallAgent.start(new Capture(), pod, { ...noExclusions, inboundPorts: [{ from: 2222, to: 2222 }] })
  await readAll(await pod.dial('10.9.0.2', 9090, { from: ['10.9.0.1', 2222] }))
  t.same(agent.seen, ['outbound 10.9.0.1 -> 10.9.0.2 9090'])
  await agent.disarm()
})

t.test('dials tell refused, unreachable and no route apart', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  await pod.sh('ip route add unreachable 10.8.0.0/24')
  const agent = await SmallAgent.start(new Capture(), pod)
  const source = ipFrom('10.9.0.1')
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.9.0.2', 1)), { code: 'ECONNREFUSED' })
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.8.0.1', 1)), { code: 'EHOSTUNREACH' })
  await t.rejects(agent.pod.dialOut(source, socketAddress('203.0.113.1', 1)), { code: 'ENETUNREACH' })
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.9.0.77', 1)), { code: 'EHOSTUNREACH' }, 'nobody has the address')
  await t.rejects(agent.pod.dialPod(socketAddress('10.9.0.2', 45_000), socketAddress('10.9.0.1', 1)), { code: 'ECONNREFUSED' })
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.9.0.78', 1), { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })
  await agent.disarm()
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.9.0.2', 1)), { code: 'disarmed' })
})

t.test('a dial to the application takes no port that is in use', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const app = await pod.serve('0.0.0.0', 8080, hold)
  const agent = await SmallAgent.start(new Capture(), pod)
  const inUse = new Set(Array.from({ length: 32768 }, (_, port) => port).filter(port => port < 5000 || port > 5002))
  const dial = () => agent.pod.dialPod(socketAddress('10.9.0.2', 5001), socketAddress('10.9.0.1', 8080), { inUse })
  const dialled = [await dial(), await dial()]
  t.same(dialled.map(socket => socket.localPort).sort(), [5000, 5002], 'neither in use, nor the client\'s own')
  await t.rejects(dial(), { code: 'no-free-port' })
  t.equal(app.remotes.length, 2)
  for (const socket of dialled) socket.destroy()
  await agent.disarm()
})

t.test('no descriptor is left open by all of the above', async t => {
  t.same(liveFds().map(fd => fd.madeBy), [])
})

/** All that capture may change in a namespace. */
async function stateOf (place: Place): Promise<string[]> {
  return Promise.all([
    'nft list ruleset', 'ip -4 rule', 'ip -6 rule', 'ip -4 route show table all', 'ip -6 route show table all', 'ip -o link',
    'sysctl -a --pattern ^net\\.ipv[46]\\.(tcp_|fwmark_|ip_|conf\\.(all|default|lo)\\.)',
  ].map(line => place.sh(line)))
}
