/** A relay thread that dies takes its agent with it, quickly and visibly, and nobody takes a cut connection for a finished one. */

import { eventually } from '../fixtures/eventually.ts'
import { openShop } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'

const settings = { relay: { kind: 'native', threads: 1 }, shutdown: { timeout: '10m' } }
const nodeFlags = [`--import=${new URL('../fixtures/lab/fragile-threads.ts', import.meta.url).href}`]

labTest('an agent whose relay thread has died says so, ends with a failure, and resets its connections; the next one serves', async t => {
  await using shop = await openShop({ settings, nodeFlags })
  const { front, web, webByNode, eastAgent, westAgent } = shop
  const served = await web.serve.echo(8080)
  const live = await front.connect(webByNode)
  t.ok(await live.echoes('before'))
  // An order wakes the thread, which then meets what is no order.
  process.kill(eastAgent.pid, 'SIGUSR2')
  await front.connect(webByNode).catch(() => {})
  await eventually(() => !eastAgent.running)
  t.equal(eastAgent.exitCode, 1)
  t.match(eastAgent.log, /"level":"error".*"the agent cannot go on; its connections are reset"/)
  t.match(eastAgent.log, /liburna: a relay thread has died/)
  t.equal(await live.ended(), 'reset', 'for the client')
  t.equal((await served.served())[0]?.ending, 'reset', 'and for the server')
  await eastAgent.restart()
  const again = await front.connect(webByNode)
  t.ok(await again.echoes('after'))
  await again.reset()
  t.ok(westAgent.running)
})
