/** Pods come and go by the hundred, some vanish half-way, names are used again: what is left afterwards is what was before. */

import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { addNetns, netnsPath, removeNetns } from '../fixtures/lab/netns.ts'
import { paths } from '../fixtures/kubernetes-world.ts'
import { kernelTest } from '../capture/kernel-test.ts'
import { liveFds } from '../../src/sys/index.ts'
import { agentWorld, ask } from './agent-world.ts'

const prefix = `lbkm${randomBytes(3).toString('hex')}-`
t.teardown(() => { removeNetns(prefix) })
t.setTimeout(900_000)

const [waves, size] = [3, 40]
/** Each tenth pod loses its namespace while it is armed, each tenth again when it has started. */
const vanishes = (i: number, when: 'early' | 'late'): boolean => i % 10 === (when === 'early' ? 3 : 7)
const patienceMs = 120_000

kernelTest(`${waves * size} pods, ${size} at a time`, async t => {
  const { kubernetes, runtime, start } = await agentWorld(t)
  runtime.requestTimeoutMs = patienceMs
  const agent = await start()
  await runtime.greeted(1)
  const captured = async (): Promise<number> => (JSON.parse((await ask(agent, '/workloads')).body) as { captured: boolean }[] /* its rows */).filter(row => row.captured).length
  let idle: { readonly fds: number, readonly ours: number } | undefined
  for (let wave = 0; wave < waves; wave++) {
    const pods = Array.from({ length: size }, (_, i) => {
      const netns = `${prefix}${wave}-${i}.` // none begins as another
      return { netns, pod: { id: `${wave}-${i}`, uid: `uid-${wave}-${i}`, namespace: 'shop', name: `web-${i}`, netns: netnsPath(netns) } }
    })
    await addNetns(...pods.map(({ netns }) => netns))
    for (const { pod: { name, uid } } of pods) kubernetes.pod({ name, uid })
    const answers = pods.map(({ pod }) => runtime.run(pod))
    // Those have no answer before their time is over, or they end.
    for (const [i, { netns }] of pods.entries()) if (vanishes(i, 'early')) removeNetns(netns)
    const started = Promise.all(answers.filter((_, i) => !vanishes(i, 'early')))
    t.same((await started).filter(({ refusal }) => refusal !== undefined), [], `wave ${wave}: one that vanishes harms no other`)
    for (const [i, { netns }] of pods.entries()) if (vanishes(i, 'late')) removeNetns(netns)
    await eventually(async () => await captured() === pods.filter((_, i) => !vanishes(i, 'early') && !vanishes(i, 'late')).length, patienceMs)

    // As a runtime and an API server tell of pods that end.
    await Promise.all(pods.map(({ pod }) => runtime.stop(pod)))
    for (const { pod: { name } } of pods) kubernetes.server.remove(paths.pods, name, 'shop')
    removeNetns(`${prefix}${wave}-`)
    await eventually(async () => (await ask(agent, '/workloads')).body.trim() === '[]', patienceMs)
    const now = { fds: readdirSync('/proc/self/fd').length, ours: liveFds().length }
    if (idle === undefined) idle = now // connections to the API server and the like are made once
    else {
      const { fds, ours } = idle
      await eventually(() => readdirSync('/proc/self/fd').length <= fds + 5 && liveFds().length <= ours, patienceMs)
    }
  }
  await eventually(async () => (await ask(agent, '/readyz')).status === 200) // nothing is awaited any more
})
