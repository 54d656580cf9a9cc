import t from 'tap'
import { readFile } from 'node:fs/promises'
import { eventually } from '../fixtures/eventually.ts'
import { Capture, startDiscovery } from '../../src/capture/index.ts'
import { liveFds, traceFds } from '../../src/sys/index.ts'
import { fails, greet, readAll, World } from './world.ts'
import { kernelTest } from './kernel-test.ts'
import { SmallAgent } from './small-agent.ts'
import type { Discovery } from '../../src/capture/index.ts'
import type { Place } from './world.ts'

traceFds(true)

const ownCgroup = async (): Promise<string> => (/^0::(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8')))?.[1] ?? ''

/** Two pods with the same address, each behind a gateway that translates; `beta` is reached as 10.100.0.1:8080. */
async function translated (world: World): Promise<{ alpha: Place, beta: Place, between: Place }> {
  const [alpha, gate, between, door, beta] =
    [await world.place(), await world.place(), await world.place(), await world.place(), await world.place()]
  await world.join(alpha, ['10.9.0.5/24'], gate, ['10.9.0.1/24'])
  await world.join(gate, ['10.100.0.2/24'], between, ['10.100.0.3/24'])
  await world.join(between, ['10.101.0.3/24'], door, ['10.101.0.1/24'])
  await world.join(door, ['10.9.0.1/24'], beta, ['10.9.0.5/24'])
  for (const [place, via] of [[alpha, '10.9.0.1'], [gate, '10.100.0.3'], [door, '10.101.0.3'], [beta, '10.9.0.1']] as const) {
    await place.sh(`ip route add default via ${via}`)
  }
  for (const place of [gate, between, door]) await place.sh('sysctl -qw net.ipv4.ip_forward=1')
  await gate.nft('table ip nat { chain out { type nat hook postrouting priority 100; ip saddr 10.9.0.0/24 masquerade; }; }')
  await door.nft('table ip nat { chain in { type nat hook prerouting priority -100; ip daddr 10.101.0.1 tcp dport 8080 dnat to 10.9.0.5; }; }')
  return { alpha, beta, between }
}

function discover (): Discovery {
  const discovery = startDiscovery()
  if (discovery.kind === 'tcp-option') return discovery
  throw new Error(`${discovery.reason} ${discovery.detail}`)
}

kernelTest('agents find each other by the option of SYN and SYN-ACK, through NAT', async t => {
  await using world = new World()
  using _ = discover()
  const { alpha, beta, between } = await translated(world)
  await beta.serve('0.0.0.0', 8080, greet)
  await between.serve('0.0.0.0', 9090, greet)
  const capture = new Capture()
  const [a, b] = [await SmallAgent.start(capture, alpha), await SmallAgent.start(capture, beta)]

  t.equal(await readAll(await alpha.dial('10.101.0.1', 8080)), 'hello 10.100.0.2', 'from one agent to the other')
  t.same([a.answered, b.spoke], [[true], [true]])
  t.equal(await readAll(await between.dial('10.101.0.1', 8080)), 'hello 10.101.0.3', 'from somebody without an agent')
  t.same(b.spoke, [true, false])
  t.equal(await readAll(await alpha.dial('10.100.0.3', 9090)), 'hello 10.100.0.2', 'to somebody without an agent')
  t.same(a.answered, [true, false])

  await a.disarm()
  await b.disarm()
}, 'sockops', 'saved-syn')

kernelTest('without discovery nobody speaks and nobody answers', async t => {
  await using world = new World()
  const { alpha, beta } = await translated(world)
  await beta.serve('0.0.0.0', 8080, greet)
  const capture = new Capture()
  const [a, b] = [await SmallAgent.start(capture, alpha), await SmallAgent.start(capture, beta)]
  await readAll(await alpha.dial('10.101.0.1', 8080))
  t.same([a.answered, b.spoke], [[false], [false]])
  await a.disarm()
  await b.disarm()
}, 'sockops', 'saved-syn')

kernelTest('under a SYN flood both ends agree that there is no agent', async t => {
  await using world = new World()
  using _ = discover()
  const { alpha, beta } = await translated(world)
  await beta.sh('sysctl -qw net.ipv4.tcp_syncookies=2') // answer with cookies always, as in a flood
  const app = await beta.serve('0.0.0.0', 8080, greet)
  const capture = new Capture()
  const [a, b] = [await SmallAgent.start(capture, alpha), await SmallAgent.start(capture, beta)]
  await readAll(await alpha.dial('10.101.0.1', 8080))
  t.same([a.answered, b.spoke], [[false], [false]])
  t.same(app.remotes.map(remote => b.podPorts.has(Number(remote.split(' ')[1]))), [true], 'and it goes through the agent')
  await a.disarm()
  await b.disarm()
}, 'sockops', 'saved-syn')

kernelTest('an option that is stripped on the way makes the peer external, not trusted', async t => {
  await using world = new World()
  using _ = discover()
  const { alpha, beta, between } = await translated(world)
  await beta.serve('0.0.0.0', 8080, greet)
  const capture = new Capture()
  const [a, b] = [await SmallAgent.start(capture, alpha), await SmallAgent.start(capture, beta)]
  await between.nft('table ip strip { chain c { type filter hook forward priority 0; tcp flags syn reset tcp option 254; }; }')
  t.equal(await fails(alpha.dial('10.101.0.1', 8080)), 'connected')
  await eventually(() => a.answered.length === 1 && b.spoke.length === 1)
  t.same([a.answered, b.spoke], [[false], [false]])
  await a.disarm()
  await b.disarm()
}, 'sockops', 'saved-syn')

kernelTest('discovery lives in a cgroup of its own and leaves none behind', async t => {
  const before = await ownCgroup()
  const discovery = discover()
  t.match(await ownCgroup(), /\/liburna-\d+-\d+$/)
  discovery.stop()
  discovery.stop()
  t.equal(await ownCgroup(), before)
}, 'sockops', 'saved-syn')

t.test('no descriptor is left open by all of the above', t => {
  t.same(liveFds().map(fd => fd.madeBy), [])
  t.end()
})
