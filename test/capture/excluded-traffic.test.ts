import t from 'tap'
import { Capture, noExclusions } from '../../src/capture/index.ts'
import { liveFds, traceFds } from '../../src/sys/index.ts'
import { cidrOf, fails, greet, readAll, wire, World } from './world.ts'
import { kernelTest } from './kernel-test.ts'
import { SmallAgent } from './small-agent.ts'

traceFds(true)

kernelTest('what is excluded is left alone, and nothing else', async t => {
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

kernelTest('an excluded port as source does not let an application out', async t => {
  await using world = new World()
  const { pod, outside } = await wire(world)
  await outside.serve('0.0.0.0', 9090, greet)
  const agent = await SmallAgent.start(new Capture(), pod, { ...noExclusions, inboundPorts: [{ from: 2222, to: 2222 }] })
  await readAll(await pod.dial('10.9.0.2', 9090, { from: ['10.9.0.1', 2222] }))
  t.same(agent.seen, ['outbound 10.9.0.1 -> 10.9.0.2 9090'])
  await agent.disarm()
})

t.test('no descriptor is left open by all of the above', t => {
  t.same(liveFds().map(fd => fd.madeBy), [])
  t.end()
})
