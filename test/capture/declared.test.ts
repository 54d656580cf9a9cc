import t from 'tap'
import { ipFrom } from '../../src/model/address.ts'
import { expectsAgent } from '../../src/capture/index.ts'
import { cidrOf } from './world.ts'

const lists = { protected: ['10.0.0.0/8', 'fd00::/8', '192.0.2.0/24'].map(cidrOf), external: ['10.9.0.0/16', '0.0.0.0/0', '192.0.2.0/24'].map(cidrOf) }

t.test('the longest block that holds the address decides', t => {
  t.ok(expectsAgent(ipFrom('10.1.0.1'), lists))
  t.notOk(expectsAgent(ipFrom('10.9.0.1'), lists))
  t.notOk(expectsAgent(ipFrom('203.0.113.1'), lists))
  t.ok(expectsAgent(ipFrom('fd00::1'), lists))
  t.end()
})

t.test('in doubt an agent is expected', t => {
  t.ok(expectsAgent(ipFrom('192.0.2.1'), lists), 'listed in both')
  t.ok(expectsAgent(ipFrom('2001:db8::1'), lists), 'listed in none')
  t.ok(expectsAgent(ipFrom('192.0.2.1'), { protected: [], external: [] }))
  t.end()
})
