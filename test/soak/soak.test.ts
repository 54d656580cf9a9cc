import t from 'tap'
import { Content } from './content.ts'
import { complaintsAbout } from './judgement.ts'
import { modeNames } from './modes.ts'
import { parseOptions } from './options.ts'
import { patterns, planOf } from './plan.ts'
import { soak } from './soak.ts'
import type { Look, SoakResult } from './soak.ts'

t.setTimeout(280_000) // the runner's limit is 300 s

const never = new AbortController().signal

for (const [near, far] of [['native', 'native'], ['native', 'streams'], ['streams', 'native']] as const) {
  t.test(`a short soak: ${near} to ${far}`, async t => {
    const looks: Look[] = []
    const result = await soak({
      near, far, threads: 1, modes: modeNames, connections: 400, parallel: 32, seed: 7, between: 200, until: never, onLook: look => { looks.push(look) }, onFault: what => { t.fail(what) },
    })
    t.equal(result.done, 400)
    t.same(result.faults, [])
    t.same(complaintsAbout(result), [])
    t.same(Object.keys(result.patterns).sort(), Object.keys(patterns).sort(), 'every pattern was there')
    t.equal(looks.length, 2)
  })
}

t.test('a byte that is lost, doubled, swapped or changed is seen', async t => {
  const whole = Buffer.concat([new Content(5, 5000).take(3000), Buffer.alloc(0)])
  const seen = (bytes: Buffer): boolean => new Content(5, 5000).matches(bytes)
  t.ok(seen(whole))
  t.notOk(seen(Buffer.concat([whole.subarray(0, 100), whole.subarray(101)])), 'lost')
  t.notOk(seen(Buffer.concat([whole.subarray(0, 100), whole.subarray(99)])), 'doubled')
  t.notOk(seen(Buffer.concat([whole.subarray(0, 1000), whole.subarray(2000), whole.subarray(1000, 2000)])), 'swapped')
  const changed = Buffer.from(whole)
  changed[2999] = (changed[2999] ?? 0) ^ 1
  t.notOk(seen(changed), 'changed')
  const all = new Content(9, 100)
  t.notOk(all.matches(Buffer.concat([new Content(9, 100).take(100), Buffer.alloc(1)])), 'one too many')
})

t.test('content goes on behind the end of its noise', async t => {
  const [sender, reader] = [new Content(3, 9_000_000), new Content(3, 9_000_000)]
  while (sender.left > 0) if (!reader.matches(sender.take(65_536))) t.fail(`differs before ${reader.at}`)
  t.equal(reader.left, 0)
})

t.test('a plan is the same for the same numbers, and another for another seed', async t => {
  t.same(planOf(17, 1), planOf(17, 1))
  t.notSame(Array.from({ length: 10 }, (_, id) => planOf(id, 1)), Array.from({ length: 10 }, (_, id) => planOf(id, 2)))
})

t.test('growth is complained about, and so is what went wrong', async t => {
  const look: Look = { done: 1, seconds: 1, faultCount: 0, residentMb: 100, descriptors: 40, counts: { SSL: 0, forwarding: 0 }, failures: {} }
  const result: SoakResult = { done: 1, seconds: 1, bytes: 1, patterns: {}, faults: [], faultCount: 0, looks: [look, look], left: {} }
  t.same(complaintsAbout(result), [])
  t.match(complaintsAbout({ ...result, faultCount: 2 }), [/2 connections/])
  t.match(complaintsAbout({ ...result, left: { SSL: 1 } }), [/1 x SSL left/])
  t.match(complaintsAbout({ ...result, looks: [look, { ...look, counts: { SSL: 1 } }] }), [/SSL: from 0 to 1/])
  t.match(complaintsAbout({ ...result, looks: [look, { ...look, residentMb: 150 }] }), [/resident memory/])
  t.match(complaintsAbout({ ...result, looks: [look, { ...look, descriptors: 140 }] }), [/descriptors/])
  t.match(complaintsAbout({ ...result, looks: [look, { ...look, failures: { 'far: no-identity': 1 } }] }), [/no-identity/])
  t.match(complaintsAbout({ ...result, looks: [] }), [/nothing was looked at/])
})

t.test('the command line is checked', async t => {
  t.match(parseOptions(['--connections', '100', '--mode', 'plain', '--near', 'streams']), { connections: 100, modes: ['plain'], near: 'streams', far: 'native', between: 5 })
  t.throws(() => parseOptions(['--connections', 'many']), /--connections is many/)
  t.throws(() => parseOptions(['--mode', 'fast']), /--mode is fast/)
  t.throws(() => parseOptions(['--fast']))
})
