import t from 'tap'
import { disarmAll } from '../../src/cli/disarm.ts'
import { doctorReport } from '../../src/cli/doctor.ts'
import { parseConfig } from '../../src/config.ts'

const head = 'node: alpha\ncluster: east\ntrustDomain: east.example\nauthority: ./authority\npolicies: ./policies\n'

t.test('disarm goes on after a failure and tells it', async t => {
  const config = parseConfig(`${head}workloads: [{netns: a, name: one}, {netns: b, name: two}, {netns: c, name: three}]`, '/n.yaml')
  const tried: string[] = []
  const report = await disarmAll(config, netns => {
    tried.push(netns)
    return netns === 'b' ? Promise.reject(new Error('no such namespace')) : Promise.resolve()
  }, () => { tried.push('guard'); return Promise.resolve() })
  t.same(tried, ['a', 'b', 'c', 'guard'])
  t.same(report, { ok: false, text: 'default/one: no longer protected (a)\ndefault/two: FAILED (b): no such namespace\ndefault/three: no longer protected (c)\n' })
  t.same(await disarmAll(parseConfig(head, '/n.yaml'), () => Promise.resolve(), () => Promise.reject(new Error('no nft'))), { ok: false, text: 'guard of the node: FAILED: no nft\n' })
  t.same(await disarmAll(parseConfig(head, '/n.yaml'), () => Promise.resolve(), () => Promise.resolve()), { ok: true, text: 'no workloads in the file\n' })
})

t.test('doctor is content when only what has a substitute is missing', async t => {
  const netns = { name: 'netns', works: true, detail: 'CAP_SYS_ADMIN', purpose: 'entering pods', fallback: 'none: needed' }
  const bpf = { name: 'sockops', works: false, detail: 'EPERM', purpose: 'finding agents', fallback: 'declared lists' }
  t.same(doctorReport([netns, bpf]), {
    ok: true,
    text: 'yes  netns    entering pods (CAP_SYS_ADMIN)\nNO   sockops  finding agents\n              EPERM\n              instead: declared lists\n\nliburna can run here\n',
  })
  t.match(doctorReport([{ ...netns, works: false }]), { ok: false, text: /liburna cannot run here: netns/ })
})
