/** Ports as NetworkPolicy and AccessPolicy write them: `{protocol, port, endPort}`. */

import { everyPortOf } from '../normal-form.ts'
import { whyNotPortName } from '../names.ts'
import type { Protocol } from '../../model/workload.ts'
import type { PortMatcher } from '../normal-form.ts'
import type { Place } from '../reader.ts'

export const protocols = ['TCP', 'UDP', 'SCTP'] as const satisfies readonly Protocol[]

/** Absent and empty both mean every port. */
export function readPorts (place: Place): 'every' | PortMatcher[] {
  const items = place.items()
  return items.length === 0 ? 'every' : items.map(readPort).filter(port => port !== undefined)
}

function readPort (place: Place): PortMatcher | undefined {
  if (!place.record(['protocol', 'port', 'endPort'])) return undefined
  const protocol = readProtocol(place.at('protocol'))
  const port = place.at('port')
  const endPort = place.at('endPort')
  if (protocol === undefined) return undefined
  if (!port.present) return endPort.present ? endPort.refuse('endPort needs port') : everyPortOf(protocol)
  if (typeof port.value === 'string') return readNamedPort(port, endPort, protocol)
  const low = port.integer(1, 65535)
  const high = endPort.present ? endPort.integer(1, 65535) : low
  if (low === undefined || high === undefined) return undefined
  return high < low ? endPort.refuse('endPort is not below port') : { kind: 'range', protocol, low, high }
}

function readNamedPort (port: Place, endPort: Place, protocol: Protocol): PortMatcher | undefined {
  if (endPort.present) return endPort.refuse('endPort needs a numeric port')
  const name = port.text(whyNotPortName)
  return name === undefined ? undefined : { kind: 'named', protocol, name }
}

/** Absent means TCP. */
export function readProtocol (place: Place): Protocol | undefined {
  return place.present ? place.oneOf(protocols) : 'TCP'
}
