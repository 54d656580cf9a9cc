import t from 'tap'
import { Capture } from '../../src/capture/index.ts'
import { SmallAgent } from './small-agent.ts'
import { readAll, World } from './world.ts'

t.test('connections in and out pass through the agent, in both families', async t => {
  await using world = new World()
  const [pod, outside] = [await world.place(), await world.place()]
  await world.join(pod, ['10.9.0.1/24', 'fd00::1/64'], outside, ['10.9.0.2/24', 'fd00::2/64'])
  const greet = (socket: import('node:net').Socket): void => { socket.end(`hello ${socket.remoteAddress}`) }
  const app = await pod.serve('::', 8080, greet)
  const app4 = await pod.serve('0.0.0.0', 8080, greet)
  const far = await outside.serve('::', 9090, greet)
  const far4 = await outside.serve('0.0.0.0', 9090, greet)
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
