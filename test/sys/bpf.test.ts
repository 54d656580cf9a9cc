import t from 'tap'
import { AgentCgroup, bpf, liveFds, SysError } from '../../src/sys/index.ts'
import { needs } from '../fixtures/needs.ts'

t.test('a program is loaded, attached and gone with its link', t => {
  if (needs(t, 'sockops')) {
    using cgroup = AgentCgroup.enter()
    using program = bpf.loadSockOps(bpf.assemble([bpf.mov(bpf.r0, 1), bpf.exit()]), 'liburna_test')
    using link = bpf.attachSockOps(program, cgroup.fd)
    t.ok(link.isOpen)
  }
  t.same(liveFds(), [])
  t.end()
})

t.test('what the verifier refuses is told with its words', t => {
  if (needs(t, 'sockops')) {
    t.throws(() => bpf.loadSockOps(bpf.assemble([bpf.mov(bpf.r0, bpf.r2), bpf.exit()]), 'wrong'), {
      name: 'SysError', code: 'EACCES', syscall: 'bpf', detail: /R2 !read_ok/,
    })
    try {
      bpf.loadSockOps(new Uint8Array(0), 'empty')
      t.fail('an empty program was loaded')
    } catch (error) {
      t.ok(error instanceof SysError)
    }
  }
  t.same(liveFds(), [])
  t.end()
})
