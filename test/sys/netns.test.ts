import t from 'tap'
import { execFileSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { liveFds, Netns } from '../../src/sys/index.ts'
import { needs } from '../fixtures/needs.ts'

const name = `lbs${process.pid}`
const here = (): string => readlinkSync('/proc/thread-self/ns/net')

t.test('a namespace is entered for one synchronous function', async t => {
  if (!needs(t, 'netns', 'iproute2')) return
  execFileSync('ip', ['netns', 'add', name])
  t.teardown(() => { execFileSync('ip', ['netns', 'del', name]) })
  const home = here()
  using netns = Netns.open(name)
  t.equal(netns.run<string>(here), `net:[${netns.inode}]`)
  t.not(`net:[${netns.inode}]`, home)
  t.equal(here(), home)
  t.throws(() => netns.run(() => { throw new Error('inside') }), /inside/)
  t.equal(here(), home, 'also after an error')
  using byPath = Netns.open(`/run/netns/${name}`)
  t.equal(byPath.inode, netns.inode)
  // @ts-expect-error a promise would go on in the wrong namespace
  const refused = () => netns.run(async () => 1)
  t.type(refused, 'function')
})

t.test('settings are those of the namespace', async t => {
  if (!needs(t, 'netns')) return
  using one = Netns.openNew()
  using two = Netns.openNew()
  one.writeSysctl('ipv4/ip_local_port_range', '40000\t40100')
  t.equal(one.readSysctl('ipv4/ip_local_port_range'), '40000\t40100')
  t.not(two.readSysctl('ipv4/ip_local_port_range'), '40000\t40100')
  t.equal(one.readSysctl('ipv4/no_such_setting'), undefined)
  t.throws(() => { one.writeSysctl('ipv4/no_such_setting', '1') }, { code: 'ENOENT' })
})

t.test('what is no namespace is refused', async t => {
  if (!needs(t, 'netns')) return
  const home = here()
  t.throws(() => Netns.open('no-such-namespace'), { name: 'SysError', code: 'ENOENT', syscall: 'open' })
  t.throws(() => Netns.open('/proc/self/ns/uts'), { name: 'SysError', code: 'EINVAL', syscall: 'setns' })
  t.throws(() => Netns.open('/dev/null'), { name: 'SysError', code: 'EINVAL', syscall: 'setns' })
  for (const bad of ['', '.', '..', '../netns/x', 'a/b', 'a\0b']) t.throws(() => Netns.open(bad), RangeError)
  t.equal(here(), home)
})

t.test('the own namespace is one like others', async t => {
  if (!needs(t, 'netns')) return
  using own = Netns.openOwn()
  t.equal(own.run<string>(here), here())
})

t.test('no descriptor is left open', t => {
  t.same(liveFds(), [])
  t.end()
})
