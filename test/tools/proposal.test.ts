/** A folder's policies for an agent's workloads are the same as a folder of both. */

import fc from 'fast-check'
import t from 'tap'
import { diffOf, proposeTo } from '../../src/tools/index.ts'
import { inventory, namespace, networkPolicy, pod, worlds } from './manifests.ts'
import type { DiffAnswer } from '../../src/tools/index.ts'

function isPolicy (object: object): boolean {
  return !('kind' in object && ['Namespace', 'Deployment', 'Pod'].includes(String(object.kind)))
}

function told ({ pairs, groups, added, removed }: DiffAnswer): object {
  return { pairs, groups, added, removed }
}

t.test('the folder need not repeat what the agent knows', async t => {
  fc.assert(fc.property(worlds, worlds, (today, other) => {
    const policies = other.filter(isPolicy)
    const whole = [...today.filter(object => !isPolicy(object)), ...policies]
    const expected = told(diffOf(inventory(today), inventory(whole)))
    for (const folder of [policies, whole]) {
      const { today: before, proposed } = proposeTo(inventory(today), folder)
      const found = told(diffOf(before, proposed))
      if (JSON.stringify(found) !== JSON.stringify(expected)) t.fail('the differences differ', { found, expected })
    }
  }), { numRuns: 60 })
  t.pass('they agree')
})

t.test('what the agent enforces already opens and closes nothing', async t => {
  fc.assert(fc.property(worlds, manifests => {
    const { today, proposed } = proposeTo(inventory(manifests), manifests)
    const diff = diffOf(today, proposed)
    if (diff.groups.length + diff.added.length + diff.removed.length > 0) t.fail('something changes', told(diff))
  }), { numRuns: 60 })
  t.pass('nothing')
})

t.test('a workload of both is the agent\'s, and of the folder alone it gets the namespace labels that the agent knows', async t => {
  const agent = inventory([namespace('shop', { team: 'a' }), pod('web', { labels: { app: 'web' } }), networkPolicy('old', { podSelector: {} })])
  const { today, proposed } = proposeTo(agent, [namespace('shop', { team: 'b' }), namespace('ops', { team: 'c' }), pod('web', { labels: { app: 'x' } }), pod('db'), pod('cron', { namespace: 'ops' }), networkPolicy('new', { podSelector: {} })])
  t.equal(today.workloads, proposed.workloads)
  t.same(today.workloads.map(({ endpoint: { identity: { attributes: { name, labels, namespaceLabels } } } }) => [name, labels['app'], namespaceLabels['team']]).sort(), [['cron', 'cron', 'c'], ['db', 'db', 'a'], ['web', 'web', 'a']])
  t.same([today, proposed].map(({ policies }) => policies.map(({ ref }) => ref.name)), [['old'], ['new']])
})
