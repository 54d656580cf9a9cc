import t from 'tap'
import { socketAddress } from '../../src/model/address.ts'
import { fakeRecorder } from '../fixtures/recorder.ts'
import type { Identity } from '../../src/model/workload.ts'
import type { Decision } from '../../src/model/verdict.ts'

const addresses = { client: socketAddress('10.0.0.1', 4000), originalDestination: socketAddress('10.0.0.2', 80) }
const rule = { kind: 'NetworkPolicy', namespace: 'shop', name: 'allow-web', rule: 'ingress[0]' }
const allow: Decision = { action: 'allow', decidedBy: rule, reason: 'the peer matches', observed: undefined, peerLabels: ['app'] }

function identity (name: string): Identity {
  return {
    spiffeId: { trustDomain: 'east.example', namespace: 'shop', serviceAccount: name },
    attributes: { cluster: 'east', namespace: 'shop', name: `${name}-0`, uid: 'u', owner: undefined, labels: { app: name }, namespaceLabels: {}, ports: [], images: [] },
  }
}

t.test('a flow becomes one record with all that was learnt', async t => {
  const { recorder, records, clock } = fakeRecorder({ node: 'alpha' })
  const flow = recorder.open('inbound', addresses)
  clock.advance(5)
  flow.identifiedAs('ab'.repeat(16))
  flow.local(identity('web'))
  flow.remote({ kind: 'verified', identity: identity('cart'), ip: addresses.client.ip, notAfterMs: 0 })
  flow.modeIs('encrypt')
  flow.arrivesAt(socketAddress('10.0.0.2', 8080))
  flow.decided(allow)
  clock.advance(20)
  flow.moved('sent', 10)
  flow.moved('received', 7)
  flow.moved('received', 7)
  flow.close('completed')
  t.same(records(), [{
    time: '2026-01-01T00:00:00.025Z', node: 'alpha', flow: 'ab'.repeat(16), direction: 'inbound', mode: 'encrypt',
    source: { spiffeId: 'spiffe://east.example/ns/shop/sa/cart', cluster: 'east', namespace: 'shop', name: 'cart-0', labels: { app: 'cart' }, address: '10.0.0.1:4000' },
    destination: { spiffeId: 'spiffe://east.example/ns/shop/sa/web', cluster: 'east', namespace: 'shop', name: 'web-0', labels: { app: 'web' }, address: '10.0.0.2:8080' },
    originalDestination: '10.0.0.2:80', realDestination: '10.0.0.2:8080', peer: 'verified', verdict: 'allowed',
    decidedBy: 'NetworkPolicy shop/allow-web ingress[0]', reason: 'the peer matches', peerLabels: ['app'], observed: '', outcome: 'completed', detail: '',
    bytesSent: 10, bytesReceived: 14, establishMs: 5, durationMs: 25,
  }])
})

t.test('an outbound flow has the local pod as its source', async t => {
  const { recorder, records } = fakeRecorder()
  const flow = recorder.open('outbound', addresses)
  flow.local(identity('web'))
  flow.remote({ kind: 'unverified', reason: 'no-agent', ip: addresses.originalDestination.ip })
  flow.close('upstream-refused', 'ECONNREFUSED')
  t.match(records(), [{ source: { name: 'web-0' }, destination: { name: '', spiffeId: '' }, peer: 'no-agent', verdict: 'undecided', detail: 'ECONNREFUSED' }])
})

t.test('a scope left without close is recorded as our own fault', async t => {
  const { recorder, records, metrics } = fakeRecorder()
  {
    using flow = recorder.open('inbound', addresses)
    t.notOk(flow.closed)
  }
  t.match(records(), [{ outcome: 'internal-error' }])
  t.match((await metrics.text()).text, /liburna_internal_faults_total\{fault="flow-left-open"\} 1/)
})

t.test('a second close changes nothing and is counted', async t => {
  const { recorder, records, metrics } = fakeRecorder()
  {
    using flow = recorder.open('inbound', addresses)
    flow.close('completed')
    flow.close('internal-error')
  }
  t.match(records(), [{ outcome: 'completed' }])
  t.equal(records().length, 1)
  t.match((await metrics.text()).text, /flow-closed-twice"\} 1/)
})

t.test('the last word of policy counts', async t => {
  const { recorder, records } = fakeRecorder()
  const flow = recorder.open('inbound', addresses)
  flow.decided(allow)
  flow.decided({ ...allow, action: 'deny', reason: 'now denied', observed: { action: 'allow', decidedBy: rule } })
  flow.close('policy-changed')
  t.match(records(), [{ verdict: 'denied', reason: 'now denied', observed: 'allow by NetworkPolicy shop/allow-web ingress[0]' }])
})

t.test('the other end denies after this end allowed', async t => {
  const { recorder, records } = fakeRecorder()
  const flow = recorder.open('outbound', addresses)
  flow.decided(allow)
  flow.deniedByPeer('NetworkPolicy shop/only-cart ingress[0]', 'no rule matches')
  flow.close('denied-by-peer')
  t.match(records(), [{ verdict: 'denied', decidedBy: 'NetworkPolicy shop/only-cart ingress[0]', reason: 'no rule matches' }])
})

t.test('the log line has the level and the text of the outcome table', async t => {
  const { recorder, log } = fakeRecorder()
  recorder.open('inbound', addresses).close('denied-by-policy')
  recorder.open('inbound', addresses).close('no-identity')
  t.match(log.lines, [
    { level: 'warn', message: 'policy at this end denies it', fields: { outcome: 'denied-by-policy', source: '10.0.0.1:4000' } },
    { level: 'error', message: 'the local pod has no certificate yet' },
  ])
})

t.test('the ring keeps the latest records, and open flows are known', async t => {
  const { recorder } = fakeRecorder()
  for (let i = 0; i < 501; i++) recorder.open('inbound', addresses).close('completed', String(i))
  t.equal(recorder.recent().length, 500)
  t.equal(recorder.recent()[0]?.detail, '1')
  const flow = recorder.open('outbound', addresses)
  t.same(recorder.openFlows, [flow])
  flow.close('completed')
  t.same(recorder.openFlows, [])
})
