/** The lab itself, without agents: if it lied, every other test of this folder would. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { openLab } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'

const mine = (): string[] => [...readdirSync('/run/netns'), ...readdirSync(tmpdir())].filter(name => name.startsWith(`lb${process.pid}-`))

labTest('a pod reaches a pod of the other node through three NATs, although both have the same address', async t => {
  await using lab = await openLab()
  const west = await lab.node('west')
  const east = await lab.node('east')
  const client = await west.pod('client')
  const web = await east.pod('web')
  t.equal(client.ip, web.ip)

  const server = await web.serve.echo(8080)
  const address = await east.hostPort(30080, web, 8080)
  const virtual = await lab.loadBalancer('198.18.0.10:80', [address])
  for (const target of [address, virtual]) {
    const connection = await client.connect(target)
    t.ok(await connection.echoes('hello'))
    await connection.finish()
    t.equal(await connection.ended(), 'fin')
  }
  t.same((await server.served()).map(({ peer }) => peer.split(':')[0]), ['198.18.2.1', '198.18.2.1'], 'the gateway hides the sender')
})

labTest('a load balancer takes its backends in turn', async t => {
  await using lab = await openLab()
  const client = await (await lab.node('west')).pod('client')
  const east = await lab.node('east')
  const backends = await Promise.all(['a', 'b'].map(async name => {
    const pod = await east.pod(name)
    await pod.serve.answer(80, name)
    return east.hostPort(name === 'a' ? 30001 : 30002, pod, 80)
  }))
  const virtual = await lab.loadBalancer('198.18.0.10:80', backends)
  t.same(await client.burst(virtual, { count: 10, concurrency: 1, expect: 'a' }), { ok: 5, cut: 5 })
})

labTest('what passes in clear is seen by the capture', async t => {
  await using lab = await openLab()
  const client = await (await lab.node('west')).pod('client')
  const east = await lab.node('east')
  const web = await east.pod('web')
  await web.serve.echo(8080)
  const address = await east.hostPort(30080, web, 8080)
  const capture = await lab.capture()
  t.ok(await (await client.connect(address)).echoes('open-secret'))
  t.ok((await capture.stop()).includes('open-secret'))
}, 'program:tcpdump')

labTest('nothing is left when a test throws', async t => {
  const failing = async (): Promise<void> => {
    await using lab = await openLab()
    await (await (await lab.node('west')).pod('client')).serve.echo(80)
    t.not(mine().length, 0)
    throw new Error('on purpose')
  }
  await t.rejects(failing(), { message: 'on purpose' })
  t.same(mine(), [])
})

labTest('what a killed process left is swept by the next lab', async t => {
  const script = `
    import { openLab } from ${JSON.stringify(new URL('../fixtures/lab/index.ts', import.meta.url).href)}
    const lab = await openLab()
    await (await (await lab.node('west')).pod('client')).serve.nginx(80, 'hello')
    console.log('up')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const left = (): string[] => readdirSync('/run/netns').filter(name => name.startsWith(`lb${child.pid}-`))
  t.not(left().length, 0)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await using lab = await openLab()
  t.same(left(), [])
  t.ok(lab.folder)
}, 'program:nginx')
