import t from 'tap'
import { ipFrom, socketAddress } from '../../src/model/address.ts'
import { PortsInUse, sharedInnerPorts } from '../../src/capture/ports-in-use.ts'

const to = socketAddress('10.9.0.1', 8080)
const client = socketAddress('10.9.0.2', 5001)

t.test('a port is held until its connection is over', t => {
  const ports = new PortsInUse()
  const leave = ports.enter(client, to)
  const again = ports.enter(client, to) // the client is gone and back before we noticed
  t.ok(ports.has(ipFrom('10.9.0.2'), 5001, to))
  t.notOk(ports.has(ipFrom('10.9.0.3'), 5001, to), 'of that client')
  t.notOk(ports.has(ipFrom('10.9.0.2'), 5001, socketAddress('10.9.0.1', 8081)), 'towards that destination')
  leave()
  leave()
  t.ok(ports.has(client.ip, 5001, to))
  again()
  t.notOk(ports.has(client.ip, 5001, to))
  t.equal(ports.size, 0)
  t.end()
})

t.test('other threads see which ports clients use, of whatever address, for as long as one of them does', t => {
  const { low, inUse } = sharedInnerPorts
  const ports = [new PortsInUse(), new PortsInUse()] // of two workloads
  const leave = ports.map((one, i) => one.enter(socketAddress(`10.9.0.${i}`, 5001), to))
  t.equal(inUse[5001 - low], 2)
  leave[0]?.()
  leave[0]?.()
  t.equal(inUse[5001 - low], 1)
  leave[1]?.()
  t.ok(inUse.every(count => count === 0))
  t.end()
})

t.test('ports that no dial takes are not remembered', t => {
  const ports = new PortsInUse()
  ports.enter(socketAddress('10.9.0.2', 40000), to)
  ports.enter(socketAddress('10.9.0.2', 80), to)
  t.equal(ports.size, 0)
  t.end()
})
