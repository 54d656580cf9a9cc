import t from 'tap'
import fc from 'fast-check'
import { choosePort, innerPorts } from '../../src/capture/port-choice.ts'

t.test('the port lies in the range and is not taken', t => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(fc.property(random, fc.uniqueArray(fc.integer({ min: innerPorts.low, max: innerPorts.high })), (at, taken) => {
    const port = choosePort(port => taken.includes(port), at)
    return port !== undefined && port >= innerPorts.low && port <= innerPorts.high && !taken.includes(port)
  }))
  t.end()
})

t.test('the search goes round the range', t => {
  t.equal(choosePort(port => port > innerPorts.low, 0.999), innerPorts.low)
  t.equal(choosePort(port => port < innerPorts.high, 0), innerPorts.high)
  t.equal(choosePort(() => true, 0.5), undefined)
  t.end()
})
