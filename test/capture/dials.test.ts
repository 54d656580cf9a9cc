import t from 'tap'
import { Capture } from '../../src/capture/index.ts'
import { liveFds, traceFds } from '../../src/sys/index.ts'
import { ipFrom, socketAddress } from '../../src/model/address.ts'
import { hold, wire, World } from './world.ts'
import { SmallAgent } from './small-agent.ts'

traceFds(true)

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

t.test('no descriptor is left open by all of the above', t => {
  t.same(liveFds().map(fd => fd.madeBy), [])
  t.end()
})
