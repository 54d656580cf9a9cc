/** What is told of denied connections: flows of a real recorder, occurrences as they are told. */

import t from 'tap'
import { tellDeniedFlows } from '../../src/node/index.ts'
import { socketAddress } from '../../src/model/address.ts'
import { identityOf } from '../fixtures/authority.ts'
import { fakeRecorder } from '../fixtures/recorder.ts'
import type { Occurrence } from '../../src/model/occurrence.ts'
import type { Direction } from '../../src/model/flow.ts'
import type { Decision } from '../../src/model/verdict.ts'
import type { Identity } from '../../src/model/workload.ts'

const web = identityOf({ namespace: 'shop', name: 'web-0', uid: 'u-web' })
const rule: Decision = { action: 'deny', decidedBy: { kind: 'NetworkPolicy', namespace: 'shop', name: 'web', rule: '' }, reason: 'no rule allows it', observed: undefined, peerLabels: [] }

function podOf (name: string, owner?: Identity['attributes']['owner']): Identity {
  const identity = identityOf({ namespace: 'bank', name, uid: `u-${name}` })
  return { ...identity, attributes: { ...identity.attributes, owner } }
}

function world () {
  const { recorder, metrics } = fakeRecorder()
  const told: Occurrence[] = []
  const stop = tellDeniedFlows(recorder, { tell (occurrence) { told.push(occurrence) } })
  const flow = (direction: Direction, remote: Identity | undefined, { ip = '10.0.0.9', port = 8080, real = port }: { ip?: string, port?: number, real?: number } = {}) => {
    const opened = recorder.open(direction, direction === 'inbound'
      ? { client: socketAddress(ip, 40_000), originalDestination: socketAddress('10.0.0.1', port) }
      : { client: socketAddress('10.0.0.1', 40_000), originalDestination: socketAddress(ip, port) })
    opened.local(web)
    opened.arrivesAt(socketAddress(direction === 'inbound' ? '10.0.0.1' : ip, real))
    const address = socketAddress(ip, 1).ip
    opened.remote(remote === undefined ? { kind: 'unverified', reason: 'no-agent', ip: address } : { kind: 'verified', identity: remote, ip: address, notAfterMs: 0 })
    return opened
  }
  const deny = (...wish: Parameters<typeof flow>): void => {
    const opened = flow(...wish)
    opened.decided(rule)
    opened.close('denied-by-policy')
  }
  const sorts = (): number => new Set(told.map(({ sort }) => sort)).size
  return { told, stop, flow, deny, sorts, metrics }
}

t.test('a denied connection is told at the local pod: who, which port, which rule, and why', async t => {
  const { told, deny } = world()
  deny('inbound', podOf('client-x', { kind: 'Deployment', name: 'client' }))
  t.match(told, [{
    about: { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'web-0', uid: 'u-web' }, reason: 'FlowDenied', isShared: false,
    note: 'from Deployment bank/client of cluster east (pod bank/client-x) to port 8080: denied by NetworkPolicy shop/web: no rule allows it',
  }])
})

t.test('pods of one owner are one sort; another port, rule, direction or owner is another', async t => {
  const { deny, sorts } = world()
  const owner = { kind: 'Deployment', name: 'client' }
  for (const name of ['a', 'b', 'c']) deny('inbound', podOf(name, owner))
  t.equal(sorts(), 1)
  deny('inbound', podOf('a', owner), { port: 9090 })
  deny('inbound', podOf('a', { kind: 'Deployment', name: 'other' }))
  deny('inbound', podOf('a'))
  deny('outbound', podOf('a', owner))
  t.equal(sorts(), 5)
})

t.test('strangers are one sort, whatever address and port they come from', async t => {
  const { told, deny, sorts } = world()
  for (const ip of ['203.0.113.1', '203.0.113.2', '2001:db8::1']) deny('inbound', undefined, { ip })
  t.equal(sorts(), 1)
  t.match(told[2]?.note, /^from a stranger \(no-agent\), such as 2001:db8::1, to port 8080: denied by /)
  deny('outbound', undefined, { ip: '203.0.113.1' })
  t.match(told[3]?.note, /^to a stranger \(no-agent\), such as 203\.0\.113\.1, port 8080: denied by /)
})

t.test('behind a Service the port of the other end counts, and what it says', async t => {
  const { told, flow, metrics } = world()
  const opened = flow('outbound', podOf('db-0', { kind: 'StatefulSet', name: 'db' }), { port: 80, real: 5432 })
  opened.deniedByPeer('NetworkPolicy bank/db', 'no rule allows it')
  opened.close('denied-by-peer')
  t.match(told, [{ note: 'to StatefulSet bank/db of cluster east (pod bank/db-0) port 5432: the other end denies it by NetworkPolicy bank/db: no rule allows it' }])
  t.match((await metrics.text()).text, /^liburna_denied_total\{workload="shop\/web-0",direction="outbound"\} 1$/m)
})

t.test('what is allowed, or undecided, is not told; nor anything after the end', async t => {
  const { told, flow, deny, stop } = world()
  const allowed = flow('inbound', podOf('a'))
  allowed.decided({ ...rule, action: 'allow' })
  allowed.close('completed')
  flow('inbound', podOf('a')).close('handshake-failed')
  stop()
  deny('inbound', podOf('a'))
  t.same(told, [])
})
