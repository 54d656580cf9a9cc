/** Ports as people write them: `443`, `53/UDP`, `http`. */

import { inputInvalid } from './error.ts'
import type { NamedPort, Protocol } from '../model/workload.ts'
import type { NamedEndpoint } from './endpoint-text.ts'

export interface PortOfProtocol {
  readonly protocol: Protocol
  readonly port: number
}

/** Reads a number, or the name of one of the destination's ports. Throws ToolError `input-invalid`. */
export function parsePort (text: string, { name, ports }: NamedEndpoint): PortOfProtocol {
  const match = /^(\d{1,5})(?:\/(TCP|UDP|SCTP))?$/i.exec(text.trim())
  if (match === null) return named(text.trim(), name, ports)
  const port = Number(match[1])
  if (port < 1 || port > 65535) throw inputInvalid(`port ${text}: 1 to 65535 is expected`)
  return { protocol: (match[2] ?? 'TCP').toUpperCase() as Protocol, port } // the pattern lists exactly these
}

function named (text: string, owner: string, ports: readonly NamedPort[]): PortOfProtocol {
  const found = ports.find(port => port.name === text)
  if (found === undefined) throw inputInvalid(`port ${text}: a number, a number and /UDP or /SCTP, or the name of a port of ${owner} is expected`)
  return { protocol: found.protocol, port: found.port }
}
