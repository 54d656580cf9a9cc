import t from 'tap'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AgentCgroup, findCgroup } from '../../src/sys/index.ts'
import { needs } from '../fixtures/needs.ts'

const v1 = '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw\n40 31 0:37 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n'
const hybrid = `${v1}41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:7 - cgroup2 cgroup2 rw\n`
const unified = '31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n'

t.test('the v2 hierarchy is found where it is mounted', t => {
  t.same(findCgroup(unified, '0::/system.slice/a.service\n'), { mount: '/sys/fs/cgroup', folder: '/sys/fs/cgroup/system.slice/a.service' })
  t.same(findCgroup(hybrid, '5:memory:/x\n0::/\n'), { mount: '/sys/fs/cgroup/unified', folder: '/sys/fs/cgroup/unified' })
  t.same(findCgroup('31 23 0:28 /kubepods/pod1 /sys/fs/my\\040cgroup rw - cgroup2 cgroup2 rw\n', '0::/kubepods/pod1/agent\n'),
    { mount: '/sys/fs/my cgroup', folder: '/sys/fs/my cgroup/agent' }, 'a bind mount of a part')
  t.end()
})

t.test('where it cannot be reached there is nothing', t => {
  t.equal(findCgroup(v1, '5:memory:/x\n'), undefined, 'v1 only')
  t.equal(findCgroup(v1, '0::/\n'), undefined, 'not mounted')
  t.equal(findCgroup(unified, '0::/../../elsewhere\n'), undefined, 'outside of the cgroup namespace')
  t.equal(findCgroup('31 23 0:28 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n', '0::/ab\n'), undefined, 'another part is mounted')
  t.equal(findCgroup('', ''), undefined)
  t.end()
})

t.test('the process moves in and back, and what the dead left goes', t => {
  if (needs(t, 'cgroup2')) {
    const own = (): string => readFileSync('/proc/self/cgroup', 'utf8')
    const before = own()
    const cgroup = AgentCgroup.enter()
    t.not(own(), before)
    t.ok(readFileSync(join(cgroup.folder, 'cgroup.procs'), 'utf8').split('\n').includes(String(process.pid)))
    cgroup.close()
    cgroup.close()
    t.equal(own(), before)
    t.notOk(existsSync(cgroup.folder))

    // pid 1 lives, but did not start then: its pid was another's
    const stale = join(dirname(cgroup.folder), 'liburna-1-99999999999')
    mkdirSync(stale)
    AgentCgroup.enter().close()
    t.notOk(existsSync(stale))
  }
  t.end()
})
