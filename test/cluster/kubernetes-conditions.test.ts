/** The condition `Accepted` of AccessPolicies: written once by one of many agents, and not fought over. */

import t from 'tap'
import { PolicyConditions } from '../../src/cluster/index.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { KubernetesWorld, paths } from '../fixtures/kubernetes-world.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { Test } from 'tap'
import type { PolicyOpinion } from '../../src/cluster/index.ts'
import type { StatusResult } from '../../src/observe/index.ts'

const good: PolicyOpinion = { isValid: true, problems: [] }
const bad: PolicyOpinion = { isValid: false, problems: ['spec.ingress: expected a list', 'spec.x: is not known'] }

async function world (t: Test) {
  const kubernetes = await KubernetesWorld.start(t)
  const { server } = kubernetes
  server.serve(paths.accessPolicies)
  const clock = new FakeClock()
  const put = (spec: object, status?: object): void => { server.put(paths.accessPolicies, { metadata: { name: 'ap' }, spec, ...status !== undefined && { status } }) }
  put({ ingress: [] })
  const source = await kubernetes.source()
  await eventually(() => server.requests.some(line => line.includes('accesspolicies?watch=true')))
  /** An agent of its own opinion, that waits as long as `random` says. */
  const agent = (opinion: PolicyOpinion, random = 0.5): { conditions: PolicyConditions, results: StatusResult[] } => {
    const results: StatusResult[] = []
    const conditions = new PolicyConditions({
      api: kubernetes.api(), clock, log: memoryLog(), metrics: { conditionEnded (result) { results.push(result) } },
      policies: () => source.policyObjects(), opinionOf: () => opinion, random: () => random,
    })
    t.teardown(() => { conditions[Symbol.dispose]() })
    return { conditions, results }
  }
  const conditions = (): unknown => (server.objects(paths.accessPolicies)[0]?.['status'] as { conditions?: unknown } | undefined)?.conditions // as our client wrote it
  /** The source has heard of everything that the server knows. */
  const heard = async (): Promise<void> => { await eventually(() => source.policyObjects()[0]?.version === server.objects(paths.accessPolicies)[0]?.metadata['resourceVersion']) }
  return { server, clock, source, put, agent, conditions, heard }
}

const writes = (server: { readonly requests: readonly string[] }): number => server.requests.filter(line => line.startsWith('PATCH')).length

t.test('an AccessPolicy says whether it is understood, and why not', async t => {
  const { server, clock, put, agent, conditions, heard } = await world(t)
  const { conditions: writer, results } = agent(bad)
  writer.review()
  t.equal(conditions(), undefined, 'after a moment')
  clock.advance(5000)
  await eventually(() => results.length === 1)
  t.same(conditions(), [{
    type: 'Accepted', status: 'False', reason: 'Invalid', observedGeneration: 1, lastTransitionTime: '2026-01-01T00:00:04Z',
    message: 'agents keep the pods that it selects closed; spec.ingress: expected a list; spec.x: is not known',
  }])
  t.match(server.requests.filter(line => line.startsWith('PATCH')), [`PATCH ${paths.accessPolicies}/ap/status?fieldManager=liburna-agent&force=true`])
  await heard()
  put({ ingress: [{}] })
  await heard()
  writer.review()
  clock.advance(5000)
  await eventually(() => results.length === 2)
  t.match(conditions(), [{ status: 'False', observedGeneration: 2, lastTransitionTime: '2026-01-01T00:00:04Z' }], 'it is invalid since then')
  await heard()
  for (let i = 0; i < 3; i++) { writer.review(); clock.advance(60_000) }
  t.equal(writes(server), 2)
})

t.test('what others write into the status stays, and a change of it changes nothing that is enforced', async t => {
  const { clock, source, put, agent, conditions, heard } = await world(t)
  put({ ingress: [] }, { conditions: [{ type: 'Reviewed', status: 'True' }] })
  await heard()
  const manifests = source.manifests()
  const { conditions: writer, results } = agent({ isValid: true, problems: ['spec.subject: a label that is not signed'] })
  writer.review()
  clock.advance(5000)
  await eventually(() => results.length === 1)
  t.match(conditions(), [{ type: 'Reviewed', status: 'True' }, { type: 'Accepted', status: 'True', message: 'agents enforce it; spec.subject: a label that is not signed' }])
  await heard()
  t.equal(source.manifests(), manifests)
})

t.test('of many agents one writes', async t => {
  const { server, clock, agent, conditions, heard } = await world(t)
  const agents = [0.1, 0.3, 0.5, 0.7, 0.9].map(chance => agent(good, chance))
  for (const { conditions: writer } of agents) writer.review()
  while (writes(server) === 0) { clock.advance(100); await new Promise(resolve => { setImmediate(resolve) }) }
  await eventually(() => agents.some(({ results }) => results.length === 1))
  await heard()
  clock.advance(5000)
  t.equal(writes(server), 1)
  t.match(conditions(), [{ status: 'True' }])
})

t.test('of two at the same moment the second is refused, looks again, and is content', async t => {
  const { server, clock, agent, heard } = await world(t)
  const agents = [agent(good), agent(good)]
  for (const { conditions: writer } of agents) writer.review()
  clock.advance(5000)
  await eventually(() => agents.every(({ results }) => results.length === 1))
  t.same(agents.map(({ results }) => results[0]).sort(), ['overtaken', 'written'])
  await heard()
  clock.advance(60_000)
  t.equal(writes(server), 2)
})

t.test('agents that disagree do not fight; one that has just started corrects what it finds, once', async t => {
  const { server, clock, agent, conditions, heard } = await world(t)
  const [old, older] = [agent(bad, 0.1), agent(good, 0.9)]
  for (const { conditions: writer } of [old, older]) writer.review()
  clock.advance(4000)
  await eventually(() => old.results.length === 1)
  await heard()
  for (let i = 0; i < 10; i++) { clock.advance(60_000); for (const { conditions: writer } of [old, older]) writer.review() }
  t.equal(writes(server), 1)
  t.match(conditions(), [{ status: 'False' }])
  const fresh = agent(good)
  fresh.conditions.review()
  clock.advance(5000)
  await eventually(() => fresh.results.length === 1)
  await heard()
  for (let i = 0; i < 10; i++) { clock.advance(60_000); for (const { conditions: writer } of [old, older, fresh]) writer.review() }
  t.equal(writes(server), 2)
  t.match(conditions(), [{ status: 'True' }])
})

t.test('while the API server refuses it is tried again, for what is wanted then', async t => {
  const { server, clock, put, agent, conditions, heard } = await world(t)
  const { conditions: writer, results } = agent(good)
  server.fault(paths.accessPolicies, { status: 403 })
  writer.review()
  for (let i = 1; i <= 3; i++) {
    clock.advance(10_000)
    await eventually(() => results.length === i)
  }
  t.same(results, ['failed', 'failed', 'failed'])
  put({ ingress: [{}] })
  await heard()
  server.heal(paths.accessPolicies)
  writer.review()
  clock.advance(60_000)
  await eventually(() => results.length === 4)
  t.match(conditions(), [{ observedGeneration: 2 }])
  clock.advance(600_000)
  t.equal(results.length, 4, 'the plan for the former generation is forgotten')
})

t.test('a status that somebody has taken away comes back; of a policy that is gone nothing is written', async t => {
  const { server, clock, source, put, agent, conditions, heard } = await world(t)
  const { conditions: writer, results } = agent(good)
  writer.review()
  clock.advance(5000)
  await eventually(() => results.length === 1)
  put({ ingress: [] }, {})
  await heard()
  writer.review()
  clock.advance(5000)
  await eventually(() => results.length === 2)
  t.match(conditions(), [{ status: 'True' }])
  await heard()
  put({ ingress: [{}] })
  await heard()
  writer.review()
  server.remove(paths.accessPolicies, 'ap')
  await eventually(() => source.policyObjects().length === 0)
  clock.advance(5000)
  writer.review()
  t.equal(writes(server), 2)
  t.equal(clock.waiting, 0)
})
