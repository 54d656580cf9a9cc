/** What `mode: authenticate` is between two real nodes, seen from the path between them. */

import { stringify } from 'yaml'
import { allowIngress, openShop } from '../fixtures/lab/index.ts'
import { labTest } from './lab-test.ts'

const secret = 'the-secret-of-the-shop'

/** Connections into `web` have to be encrypted, whoever allows them. */
const encrypted = stringify({
  apiVersion: 'liburna.io/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'encrypted' },
  spec: { subject: { namespaces: ['shop'], podSelector: { matchLabels: { app: 'web' } } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'front' } } }], mode: 'encrypt' }] },
})

labTest('authenticate leaves the bytes bare on the way, until a policy of one end asks for more', async t => {
  await using shop = await openShop({
    policies: { web: allowIngress('web', { of: { app: 'web' }, with: { app: 'front' } }) },
    settings: { relay: { kind: 'native' }, mode: 'authenticate' },
  })
  const { lab, front, batch, web, east, webByNode, eastAgent, westAgent } = shop
  await web.serve.nginx(8080, secret)
  await web.serve.echo(9004)
  const ask = async (): Promise<boolean> => {
    const capture = await lab.capture()
    t.equal((await front.run('curl', ['-sS', `http://${webByNode}/?ask=${secret}`])).stdout, secret)
    return (await capture.stop()).includes(secret)
  }

  t.ok(await ask(), 'the bytes are seen')
  for (const agent of [eastAgent, westAgent]) t.match(await agent.records.one({ outcome: 'completed' }), { mode: 'authenticate', peer: 'verified', verdict: 'allowed' })
  t.notOk((await batch.burst(webByNode, { count: 1 }))['ok'], 'and nobody gets in who is not allowed')

  const live = await front.connect(await east.hostPort(30904, web, 9004))
  t.ok(await live.echoes('hello'))
  await eastAgent.writePolicy('encrypted', encrypted)
  t.equal(await live.ended(), 'reset')
  t.match(await eastAgent.records.one({ outcome: 'policy-changed' }), { mode: 'authenticate', verdict: 'denied', reason: /requires encrypt/ })

  t.notOk(await ask(), 'from now on they are not')
  t.match(await eastAgent.records.one({ outcome: 'completed', mode: 'encrypt' }), { verdict: 'allowed' })
}, 'program:nginx', 'program:curl', 'program:tcpdump')
