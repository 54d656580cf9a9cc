import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { podFactsOf, ProcSandboxes } from '../../src/cluster/index.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { podObject } from '../fixtures/kubernetes-world.ts'
import type { Test } from 'tap'
import type { PodFacts, Sandbox } from '../../src/cluster/index.ts'

const uid = '0a1b2c3d-1111-2222-3333-444455556666'
const other = 'ffffffff-1111-2222-3333-444455556666'
const hash = '0123456789abcdef0123456789abcdef'

/** A /proc of plain files: a file stands for a namespace as well as the kernel's do. */
function world (t: Test) {
  const folder = new TestFolder()
  const clock = new FakeClock()
  const pods: PodFacts[] = []
  const told: (readonly Sandbox[])[] = []
  const state = { isWaiting: true }
  const process = (pid: number, cgroup: string, { startedAt = pid, netns = `net-${pid}` } = {}): void => {
    mkdirSync(folder.at(`${pid}/ns`), { recursive: true })
    folder.write(`${pid}/cgroup`, `${cgroup}\n`)
    folder.write(`${pid}/stat`, `${pid} (a (b) c) S ${Array(18).fill('0').join(' ')} ${startedAt} 0\n`)
    writeFileSync(folder.at(`${pid}/ns/net`), netns)
  }
  process(1, '0::/init.scope', { netns: 'host' })
  const sandboxes = new ProcSandboxes({ root: folder.at('.') }, { clock, pods: () => pods, isWaiting: () => state.isWaiting, onChange: list => { told.push(list) } })
  t.teardown(() => { sandboxes.stop(); folder[Symbol.dispose]() })
  const pod = (wish: Parameters<typeof podObject>[0]): void => { const facts = podFactsOf(podObject(wish)); if (facts !== undefined) pods.push(facts) }
  const leave = (pid: number): void => { rmSync(folder.at(String(pid)), { recursive: true }) }
  return { clock, process, pod, leave, told, sandboxes, state, inodeOf: (pid: number) => statSync(join(folder.at(String(pid)), 'ns/net')).ino }
}

for (const [driver, cgroup] of [
  ['cgroupfs', `11:memory:/kubepods/burstable/pod${uid}/abc\n0::/kubepods/burstable/pod${uid}/abc`],
  ['systemd', `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-abc.scope`],
  ['another cgroup namespace', `0::/../../kubepods-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-abc.scope`],
] as const) {
  t.test(`the namespace of a pod is found by its cgroup: ${driver}`, async t => {
    const { process, pod, told, sandboxes, inodeOf } = world(t)
    pod({ name: 'web', uid })
    process(20, cgroup)
    sandboxes.start()
    t.match(told, [[{ uid, namespace: 'shop', name: 'web' }]])
    t.equal(statSync(told[0]?.[0]?.netns ?? '').ino, inodeOf(20))
  })
}

t.test('the first process of a pod counts, and pods of the node\'s network do not', async t => {
  const { process, pod, told, sandboxes, inodeOf } = world(t)
  pod({ name: 'web', uid })
  pod({ name: 'host', uid: other, spec: { hostNetwork: true } })
  process(20, `0::/kubepods/pod${uid}/later`, { startedAt: 900 })
  process(30, `0::/kubepods/pod${uid}/pause`, { startedAt: 100 })
  process(40, `0::/kubepods/pod${other}/x`)
  sandboxes.start()
  t.equal(told[0]?.length, 1)
  t.equal(statSync(told[0]?.[0]?.netns ?? '').ino, inodeOf(30))
})

t.test('static pods are known by their hash', async t => {
  const { process, pod, told, sandboxes } = world(t)
  pod({ name: 'static', uid, annotations: { 'kubernetes.io/config.hash': hash } })
  process(20, `0::/kubepods/pod${hash}/x`)
  sandboxes.start()
  t.match(told, [[{ uid: hash, name: 'static' }]])
})

t.test('pods that come and go are found at the next look; looks are rare when nobody waits', async t => {
  const { clock, process, pod, leave, told, sandboxes, state } = world(t)
  sandboxes.start()
  t.same(told, [])
  pod({ name: 'web', uid })
  process(20, `0::/kubepods/pod${uid}/x`)
  clock.advance(250)
  t.equal(told.length, 1)
  state.isWaiting = false
  clock.advance(250)
  leave(20)
  clock.advance(4999)
  t.equal(told.length, 1)
  clock.advance(1)
  t.same(told[1], [])
})
