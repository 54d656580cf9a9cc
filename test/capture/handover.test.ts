/** Two agents of one node: who has a workload at any moment, and that nothing falls between them. */

import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { Capture, noExclusions } from '../../src/capture/index.ts'
import { innerPorts } from '../../src/capture/port-choice.ts'
import { liveFds, traceFds } from '../../src/sys/index.ts'
import { ending, fails, greet, heldMs, hold, readAll, stateOf, wire, World } from './world.ts'
import { kernelTest } from './kernel-test.ts'
import { SmallAgent } from './small-agent.ts'
import type { Place } from './world.ts'

traceFds(true)

const exclude = { ...noExclusions, inboundPorts: [{ from: 22, to: 22 }] }

/** SYNs that the namespace's kernel had to send again: one that was dropped is. */
async function repeatedSyns (place: Place): Promise<number> {
  const [names = [], values = []] = (await place.sh('cat /proc/net/netstat')).split('\n').filter(line => line.startsWith('TcpExt:')).map(line => line.split(' '))
  return Number(values[names.indexOf('TCPSynRetrans')])
}

function tableOf (pod: Place): Promise<string> {
  return pod.sh('nft list table inet liburna 2>/dev/null || true')
}

kernelTest('an agent takes over from another one, and no connection waits or fails meanwhile', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  for (const host of ['0.0.0.0', '::']) {
    await pod.serve(host, 8080, greet)
    await outside.serve(host, 9090, greet)
  }
  const first = await SmallAgent.start(new Capture(), pod)
  const told: string[] = []
  const load = { goesOn: true }
  const calls = [[outside, '10.9.0.1', 8080], [outside, 'fd00::1', 8080], [pod, '10.9.0.2', 9090], [pod, 'fd00::2', 9090]] as const
  const loads = calls.map(async ([place, host, port]) => {
    while (load.goesOn) told.push(await place.dial(host, port).then(readAll).catch((error: unknown) => `FAILED ${String(error)}`))
  })
  await eventually(() => first.seen.length > 20)
  const second = await SmallAgent.start(new Capture(), pod)
  t.equal(second.pod.neighbour, 'earlier')
  const [seen] = [first.seen.length]
  await eventually(() => second.seen.length > 20)
  first.pod.refuseNew()
  await eventually(() => first.pod.queued === 0)
  load.goesOn = false
  await Promise.all(loads)
  t.same(told.filter(text => !/^hello (10\.9\.0|fd00::)/.test(text)), [])
  t.equal(first.seen.length + second.seen.length, told.length, 'each was seen by exactly one of them')
  t.ok(first.seen.length - seen <= calls.length, 'the first has no new ones')
  t.same(await Promise.all([pod, outside].map(repeatedSyns)), [0, 0], 'no SYN was lost between them')
  first.die()
  await second.disarm()
})

kernelTest('live connections of the first agent go on, also when it refuses new ones', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.serve('0.0.0.0', 8080, socket => { socket.write('held'); socket.pipe(socket) })
  const first = await SmallAgent.start(new Capture(), pod)
  const live = await outside.dial('10.9.0.1', 8080)
  await eventually(() => live.bytesRead === 4)
  const second = await SmallAgent.start(new Capture(), pod)
  first.pod.refuseNew()
  live.write('more')
  await eventually(() => live.bytesRead === 8)
  first.die()
  t.match(await ending(live), /^(end|ECONNRESET)$/, 'and end with their own agent')
  await second.disarm()
})

kernelTest('the first agent has new connections again the moment the second is dead', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.serve('0.0.0.0', 8080, greet)
  await outside.serve('::', 9090, greet)
  const first = await SmallAgent.start(new Capture(), pod)
  const second = await SmallAgent.start(new Capture(), pod)
  second.die()
  t.equal(await readAll(await outside.dial('10.9.0.1', 8080)), 'hello 10.9.0.2')
  t.equal(await readAll(await pod.dial('fd00::2', 9090)), 'hello fd00::1')
  t.equal(first.seen.length, 2)
  t.same(await Promise.all([pod, outside].map(repeatedSyns)), [0, 0], 'not even one SYN was lost')
  first.die()
  t.equal(await fails(outside.dial('10.9.0.1', 8080, { withinMs: heldMs })), 'ETIMEDOUT', 'and nobody when both are')
  t.equal(await fails(pod.dial('fd00::2', 9090, { withinMs: heldMs })), 'ETIMEDOUT')
})

kernelTest('an agent that refuses new connections still has those that the kernel has accepted', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  const app = await pod.serve('0.0.0.0', 8080, greet)
  const capture = await new Capture().open({ netns: pod.name, name: pod.name, exclude: noExclusions })
  await capture.arm()
  const clients = [await outside.dial('10.9.0.1', 8080), await outside.dial('10.9.0.1', 8080)]
  await eventually(() => capture.queued === 2)
  capture.refuseNew()
  t.equal(await fails(outside.dial('10.9.0.1', 8080, { withinMs: heldMs })), 'ETIMEDOUT', 'held, not refused')
  t.equal(capture.queued, 2)
  t.same(clients.map(client => client.destroyed), [false, false])
  t.same(app.remotes, [])
  await capture.disarm()
})

kernelTest('an agent leaves alone what a later one holds, and has it back when that one is dead', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const before = await stateOf(pod)
  const first = await SmallAgent.start(new Capture(), pod)
  const second = await SmallAgent.start(new Capture(), pod)
  const taken = await tableOf(pod)
  t.equal(await first.pod.arm(), 'elsewhere')
  t.equal(await first.pod.exclude(exclude), 'elsewhere')
  t.equal(await tableOf(pod), taken)
  second.die()
  t.equal(await first.pod.exclude(exclude), 'here')
  t.match(await tableOf(pod), /tcp dport 22 /)
  t.equal(await first.pod.disarm(), 'here')
  t.same(await stateOf(pod), before, 'whoever removes it knows what to restore')
  first.die()
})

kernelTest('an agent that lets go leaves the rules to a later one', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.serve('0.0.0.0', 8080, greet)
  const first = await SmallAgent.start(new Capture(), pod)
  const second = await SmallAgent.start(new Capture(), pod)
  const taken = await stateOf(pod)
  t.equal(await first.pod.disarm(), 'elsewhere')
  t.same(await stateOf(pod), taken)
  t.equal(await readAll(await outside.dial('10.9.0.1', 8080)), 'hello 10.9.0.2')
  await second.disarm()
  first.die()
})

kernelTest('an agent that started earlier and comes later does not take over', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const early = new Capture()
  const late = await SmallAgent.start(new Capture(), pod)
  const taken = await tableOf(pod)
  const capture = await early.open({ netns: pod.name, name: pod.name, exclude: noExclusions })
  t.equal(capture.neighbour, 'later')
  t.equal(await capture.arm(), 'elsewhere')
  t.equal(await tableOf(pod), taken)
  late.die()
  t.equal(await capture.arm(), 'here', 'before the other is dead')
  await capture.disarm()
})

kernelTest('agents that die one after the other leave no trace in the rules', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const first = await SmallAgent.start(new Capture(), pod)
  for (let i = 0; i < 5; i++) (await SmallAgent.start(new Capture(), pod)).die()
  const last = await SmallAgent.start(new Capture(), pod)
  const table = await tableOf(pod)
  t.equal(table.match(/chain held_by_/g)?.length, 1)
  t.equal(table.match(/ [0-9a-z]{13}=/g)?.length, 2, 'the last, and the first, which lives')
  last.die()
  first.die()
})

kernelTest('agents that arm and let go at the same time never leave half of it', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const before = await stateOf(pod)
  for (let i = 0; i < 12; i++) {
    const first = await new Capture().open({ netns: pod.name, name: pod.name, exclude: noExclusions })
    const second = await new Capture().open({ netns: pod.name, name: pod.name, exclude: noExclusions })
    await first.arm()
    // The one that lets go and the one that takes over begin together, at another distance each time.
    const away = new Promise(resolve => setTimeout(resolve, i * 3)).then(() => first.disarm())
    t.equal(await second.arm(), 'here')
    await away
    const state = (await stateOf(pod)).join('\n')
    for (const part of ['chain held_by_', 'lookup 7667', 'local default dev lo', 'tcp_fwmark_accept = 1']) t.ok(state.includes(part), `${part} after ${i * 3} ms`)
    await second.disarm()
    t.same(await stateOf(pod), before)
  }
})

kernelTest('a dial in a client\'s name takes no port of a client that the other agent serves', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  const app = await pod.serve('0.0.0.0', 8080, hold)
  const first = await SmallAgent.start(new Capture(), pod)
  const client = await outside.dial('10.9.0.1', 8080, { from: ['10.9.0.2', 3000] })
  await eventually(() => client.bytesRead > 0)
  const second = await SmallAgent.start(new Capture(), pod)
  // The search begins where chance says; here it says: at the client's port.
  const { random } = Math
  t.teardown(() => { Math.random = random })
  Math.random = () => (3000 - innerPorts.low + 0.5) / (innerPorts.high - innerPorts.low + 1)
  const other = await outside.dial('10.9.0.1', 8080)
  await eventually(() => other.bytesRead > 0)
  t.ok(app.remotes.includes('10.9.0.2 3001'), app.remotes.join(', '))
  t.notOk(client.destroyed)
  first.die()
  await second.disarm()
})

t.test('no descriptor is left open by all of the above', t => {
  t.same(liveFds().map(fd => fd.madeBy), [])
  t.end()
})
