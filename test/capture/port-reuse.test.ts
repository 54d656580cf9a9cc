import t from 'tap'
import { liveFds, traceFds } from '../../src/sys/index.ts'
import { Capture } from '../../src/capture/index.ts'
import { greet, readAll, wire, World } from './world.ts'
import { kernelTest } from './kernel-test.ts'
import { SmallAgent } from './small-agent.ts'
import type { AppServer, Place } from './world.ts'

traceFds(true)

const connections = 1500
/** Few ports, so that each is used again and again while its last connection is in TIME_WAIT at the agent. */
const ports = 60
const atOnce = 8

/** Opens `connections` short ones, some at a time; the server ends each first, as after `Connection: close`. */
async function storm (from: Place, host: string, port: number): Promise<number> {
  from.netns.writeSysctl('ipv4/tcp_tw_reuse', '1')
  from.netns.writeSysctl('ipv4/ip_local_port_range', `50000 ${50000 + ports - 1}`)
  let [left, answered] = [connections, 0]
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      // No port free, or the last connection's end still on its way: both are failures that nobody bypassed anything by.
      const text = await from.dial(host, port, { withinMs: 5000 }).then(readAll).catch(() => '')
      if (text !== '') answered++
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return answered
}

const portsOf = ({ remotes }: AppServer): number[] => remotes.map(remote => Number(remote.split(' ')[1]))

for (const [name, podIp, outsideIp, any] of [['IPv4', '10.9.0.1', '10.9.0.2', '0.0.0.0'], ['IPv6', 'fd00::1', 'fd00::2', '::']] as const) {
  kernelTest(`no connection in reaches the application past the agent while ports are reused, ${name}`, async t => {
    await using world = new World()
    const { pod, outside } = await wire(world)
    const app = await pod.serve(any, 8080, greet)
    const agent = await SmallAgent.start(new Capture(), pod)
    const answered = await storm(outside, podIp, 8080)
    t.ok(answered > connections / 2, `${answered} of ${connections} were answered`)
    t.same(portsOf(app).filter(port => !agent.podPorts.has(port)), [])
    t.equal(portsOf(app).filter(port => port >= 50000).length, 0, 'no client itself')
    await agent.disarm()
  })

  kernelTest(`no connection out leaves past the agent while ports are reused, ${name}`, async t => {
    await using world = new World()
    const { pod, outside } = await wire(world)
    const far = await outside.serve(any, 9090, greet)
    const agent = await SmallAgent.start(new Capture(), pod)
    const answered = await storm(pod, outsideIp, 9090)
    t.ok(answered > connections / 2, `${answered} of ${connections} were answered`)
    t.equal(far.remotes.length, agent.wirePorts.length, 'as many as the agent dialled')
    t.same(portsOf(far).sort(), [...agent.wirePorts].sort(), 'from its ports')
    await agent.disarm()
  })
}

t.test('no descriptor is left open by all of the above', t => {
  t.same(liveFds().map(fd => fd.madeBy), [])
  t.end()
})
