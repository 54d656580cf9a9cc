import t from 'tap'
import { Capture, noExclusions } from '../../src/capture/index.ts'
import { eventually } from '../fixtures/eventually.ts'
import { liveFds, traceFds } from '../../src/sys/index.ts'
import { dial } from '../../src/relay/streams/dial.ts'
import { ipFrom, socketAddress } from '../../src/model/address.ts'
import { hold, wire, World } from './world.ts'
import { kernelTest } from './kernel-test.ts'
import { SmallAgent, connectSocket } from './small-agent.ts'

traceFds(true)

kernelTest('dials tell refused, unreachable and no route apart', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  await pod.sh('ip route add unreachable 10.8.0.0/24')
  const agent = await SmallAgent.start(new Capture(), pod)
  const source = ipFrom('10.9.0.1')
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.9.0.2', 1), connectSocket), { code: 'ECONNREFUSED' })
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.8.0.1', 1), connectSocket), { code: 'EHOSTUNREACH' })
  await t.rejects(agent.pod.dialOut(source, socketAddress('203.0.113.1', 1), connectSocket), { code: 'ENETUNREACH' })
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.9.0.77', 1), connectSocket), { code: 'EHOSTUNREACH' }, 'nobody has the address')
  await t.rejects(agent.pod.dialPod(socketAddress('10.9.0.2', 45_000), socketAddress('10.9.0.1', 1), connectSocket), { code: 'ECONNREFUSED' })
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.9.0.78', 1), (dialer, to) => dial(dialer, to, AbortSignal.timeout(20))), { name: 'TimeoutError' })
  await agent.disarm()
  await t.rejects(agent.pod.dialOut(source, socketAddress('10.9.0.2', 1), connectSocket), { code: 'disarmed' })
})

kernelTest('a dial to the application takes no port that is in use or excluded', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const app = await pod.serve('0.0.0.0', 8080, hold)
  const agent = await SmallAgent.start(new Capture(), pod, { ...noExclusions, outboundPorts: [{ from: 1, to: 4999 }, { from: 5003, to: 65535 }] })
  const dialPod = () => agent.pod.dialPod(socketAddress('10.9.0.2', 5001), socketAddress('10.9.0.1', 8080), connectSocket)
  const dialled = [await dialPod(), await dialPod()]
  t.same(dialled.map(socket => socket.localPort).sort(), [5000, 5002], 'neither excluded, nor the client\'s own, nor twice')
  await t.rejects(dialPod(), { code: 'no-free-port' })
  t.equal(app.remotes.length, 2)
  for (const socket of dialled) socket.destroy()
  await agent.disarm()
})

kernelTest('clients with ports of the agent\'s own range are served', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await pod.serve('0.0.0.0', 8080, hold)
  // Four ports are left for the agent, and two of them are used by clients.
  const agent = await SmallAgent.start(new Capture(), pod, { ...noExclusions, outboundPorts: [{ from: 1, to: 4999 }, { from: 5004, to: 65535 }] })
  const clients = [5001, 5003].map(port => outside.dial('10.9.0.1', 8080, { from: ['10.9.0.2', port] }))
  for (const client of await Promise.all(clients)) await eventually(() => client.bytesRead > 0)
  t.same([...agent.podPorts].sort(), [5000, 5002])
  await agent.disarm()
})

kernelTest('what an inner dial takes is given away only where a dial elsewhere could do no harm', async t => {
  await using world = new World()
  const { pod } = await wire(world)
  const [client, to] = [socketAddress('10.9.0.2', 45_000), socketAddress('10.9.0.1', 80)]
  const agent = await SmallAgent.start(new Capture(), pod)
  using given = agent.pod.innerDial(client, to)?.netns
  t.ok(given?.isOpen)
  await agent.pod.exclude({ ...noExclusions, outboundPorts: [{ from: 53, to: 53 }, { from: 40_000, to: 50_000 }] })
  using stillGiven = agent.pod.innerDial(client, to)?.netns
  t.ok(stillGiven?.isOpen, 'no dial takes these ports')
  await agent.pod.exclude({ ...noExclusions, outboundPorts: [{ from: 5000, to: 5000 }] })
  t.equal(agent.pod.innerDial(client, to), undefined)
  await agent.disarm()
  t.equal(agent.pod.innerDial(client, to), undefined)
})

t.test('no descriptor is left open by all of the above', t => {
  t.same(liveFds().map(fd => fd.madeBy), [])
  t.end()
})
