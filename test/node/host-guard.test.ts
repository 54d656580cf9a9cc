/** The guard of the node, in namespaces: a node that forwards between two pods and somebody outside. */

import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import { removeHostGuard } from '../../src/capture/index.ts'
import { describeHostGuard, describeReleased } from '../../src/capture/host-guard.ts'
import { ipFrom } from '../../src/model/address.ts'
import { HostGuard } from '../../src/node/index.ts'
import { Readiness } from '../../src/observe/index.ts'
import { fails, greet, heldMs, readAll, stateOf, World } from '../capture/world.ts'
import { kernelTest } from '../capture/kernel-test.ts'
import type { Test } from 'tap'
import type { Tenant } from '../../src/node/index.ts'
import type { Place } from '../capture/world.ts'

interface Street { readonly node: Place, readonly pods: readonly [Place, Place], readonly outside: Place, readonly interfaces: readonly string[] }

/** 10.9.0.2 and 10.9.1.2 behind a node, and 10.8.0.2 beyond it. Both pods, outside and the node answer on port 8080. */
async function street (world: World): Promise<Street> {
  const [node, one, two, outside] = [await world.place(), await world.place(), await world.place(), await world.place()]
  await node.sh('sysctl -qw net.ipv4.ip_forward=1')
  const pods = [one, two] as const
  for (const [i, pod] of pods.entries()) {
    await world.join(node, [`10.9.${i}.1/24`], pod, [`10.9.${i}.2/24`])
    await pod.sh(`ip route add default via 10.9.${i}.1`)
  }
  await world.join(node, ['10.8.0.1/24'], outside, ['10.8.0.2/24'])
  await outside.sh('ip route add 10.9.0.0/16 via 10.8.0.1')
  for (const place of [node, one, two, outside]) await place.serve('0.0.0.0', 8080, greet)
  const interfaces = [...(await node.sh('ip -o -4 addr show')).matchAll(/^\d+: (\S+) +inet 10\.9\./gm)].map(([, name = '']) => name)
  return { node, pods, outside, interfaces }
}

async function guarded (t: Test, { node, interfaces }: Pick<Street, 'node' | 'interfaces'>, tenants: () => readonly Tenant[] | undefined) {
  const [clock, log, readiness] = [new FakeClock(), memoryLog(), new Readiness()]
  const guard = await HostGuard.start(interfaces, { here: node.netns, clock, log, readiness, tenants, metrics: { hostGuard () {} } })
  t.teardown(() => guard.stop('keep'))
  return { guard, clock, log, readiness }
}

function tenant (place: Place, standing: Tenant['standing']): Tenant {
  return { id: `${place.name} ${standing}`, netns: place.name, standing }
}

kernelTest('new connections of a pod are held until it is released, in and out, and the node still reaches it', async t => {
  await using world = new World()
  const place = await street(world)
  const { node, pods: [one, two], outside } = place
  let tenants: readonly Tenant[] = [tenant(one, 'closed'), tenant(two, 'free')]
  const { guard } = await guarded(t, place, () => tenants)
  await guard.review()
  const calls = [[outside, '10.9.0.2'], [two, '10.9.0.2'], [one, '10.9.1.2'], [one, '10.8.0.2'], [one, '10.9.0.1']] as const
  t.same(await Promise.all(calls.map(([from, to]) => fails(from.dial(to, 8080, { withinMs: heldMs })))), calls.map(() => 'ETIMEDOUT'))
  t.match(await readAll(await node.dial('10.9.0.2', 8080)), /hello/, 'as a probe')
  t.match(await readAll(await two.dial('10.8.0.2', 8080)), /hello/)
  t.match(await readAll(await outside.dial('10.9.1.2', 8080)), /hello/)
  tenants = [tenant(one, 'armed'), tenant(two, 'free')]
  await guard.review()
  for (const [from, to] of calls) t.match(await readAll(await from.dial(to, 8080)), /hello/, to)
  tenants = [tenant(two, 'free')]
  await guard.review()
  t.equal(await fails(outside.dial('10.9.0.2', 8080, { withinMs: heldMs })), 'ETIMEDOUT', 'its address may be another pod\'s now')
})

kernelTest('the guard outlives the agent, holds pods that come then, and the next agent finds it', async t => {
  await using world = new World()
  const place = await street(world)
  const { node, pods: [one, two], outside } = place
  const before = await stateOf(node)
  const first = await guarded(t, place, () => [tenant(two, 'free')])
  await first.guard.review()
  await first.guard.stop('keep')
  t.equal(await fails(outside.dial('10.9.0.2', 8080, { withinMs: heldMs })), 'ETIMEDOUT')
  t.match(await readAll(await outside.dial('10.9.1.2', 8080)), /hello/, 'pods that are not to be captured go on')
  let tenants: readonly Tenant[] | undefined
  const next = await guarded(t, place, () => tenants)
  await next.guard.review()
  t.match(await readAll(await outside.dial('10.9.1.2', 8080)), /hello/, 'while it does not know the pods it changes nothing')
  tenants = [tenant(one, 'free')]
  await next.guard.review()
  t.match(await readAll(await outside.dial('10.9.0.2', 8080)), /hello/)
  t.equal(await fails(outside.dial('10.9.1.2', 8080, { withinMs: heldMs })), 'ETIMEDOUT')
  await next.guard.stop('remove')
  t.same(await stateOf(node), before)
  await removeHostGuard(node.netns)
  t.same(await stateOf(node), before, 'again, where nothing is')
})

kernelTest('what is released of captured pods ends by itself, unless it is prolonged', async t => {
  await using world = new World()
  const place = await street(world)
  const { node, pods: [one] } = place
  const { guard, clock } = await guarded(t, place, () => [tenant(one, 'armed')])
  await guard.review()
  const secondsLeft = async (): Promise<number> => Number(/expires (?:(\d+)s)?/.exec(await node.sh('nft list set inet liburna_guard armed4'))?.[1])
  await eventually(async () => await secondsLeft() < 57)
  clock.advance(1000)
  await guard.review()
  const before = await secondsLeft()
  t.ok(before < 57, 'nothing has changed, so nothing was written')
  clock.advance(20_000)
  await guard.review()
  t.ok(await secondsLeft() > before)
})

kernelTest('of two pods with one address the one that is not released counts', async t => {
  await using world = new World()
  const place = await street(world)
  const { node, pods: [one] } = place
  const { guard } = await guarded(t, place, () => [tenant(one, 'free'), { ...tenant(one, 'closed'), id: 'its successor' }])
  await guard.review()
  t.notMatch(await node.sh('nft list table inet liburna_guard'), /10\.9\.0\.2/)
})

kernelTest('a pod whose namespace is gone harms no other', async t => {
  await using world = new World()
  const place = await street(world)
  const { node, pods: [one] } = place
  const { guard, readiness } = await guarded(t, place, () => [{ id: 'gone', netns: 'no-such-namespace', standing: 'free' }, tenant(one, 'free')])
  await guard.review()
  t.match(await node.sh('nft list set inet liburna_guard free4'), /10\.9\.0\.2/)
  t.same(readiness.status().troubles, [])
})

t.test('nothing but names and addresses gets into the text', async t => {
  t.throws(() => describeHostGuard(['cni0" drop; flush ruleset; "']))
  t.throws(() => describeHostGuard(['']))
  t.match(describeHostGuard(['cali*']), /iifname "cali\*" jump from_pod/)
  t.same(describeReleased({ armed: [ipFrom('10.0.0.1')], free: [ipFrom('fd00::1')] }, [ipFrom('10.0.0.9')]).trim().split('\n'), [
    'flush set inet liburna_guard free4',
    'add element inet liburna_guard armed4 { 10.0.0.1, 10.0.0.9 }',
    'delete element inet liburna_guard armed4 { 10.0.0.1, 10.0.0.9 }',
    'add element inet liburna_guard armed4 { 10.0.0.1 timeout 60s }',
    'flush set inet liburna_guard free6',
    'add element inet liburna_guard free6 { fd00::1 }',
  ])
})
