/** Writes the fields of the attributes; refuses with `bad-request` what the reader would not take. */

import { comparePorts, compareText, countBounds, isSignableText, protocols, textBounds } from './attribute-fields.ts'
import { IdentityError } from './error.ts'
import type { Labels } from '../model/labels.ts'
import type { NamedPort, Owner } from '../model/workload.ts'
import type { TextField } from './attribute-fields.ts'

/** Collects the bytes in order; every method checks what it is given. Used once. */
export class AttributeWriter {
  readonly #chunks: Uint8Array[] = []

  uint8 (value: number): this {
    this.#chunks.push(Uint8Array.of(value))
    return this
  }

  uint16 (value: number): this {
    this.#chunks.push(Uint8Array.of(value >>> 8, value & 0xff))
    return this
  }

  text (text: string, field: TextField): this {
    const bytes = Buffer.from(text)
    if (bytes.length > textBounds[field]) throw refused(`${field} takes ${bytes.length} bytes, at most ${textBounds[field]}: ${JSON.stringify(text.slice(0, 64))}`)
    if (!isSignableText(text)) throw refused(`${field} holds a control character or half a surrogate pair: ${JSON.stringify(text.slice(0, 64))}`)
    this.uint16(bytes.length).#chunks.push(bytes)
    return this
  }

  owner (owner: Owner | undefined): this {
    if (owner === undefined) return this.uint8(0)
    return this.uint8(1).text(owner.kind, 'ownerKind').text(owner.name, 'ownerName')
  }

  labels (labels: Labels): this {
    const keys = Object.keys(labels).sort(compareText)
    return this.#list(keys, 'labels', key => this.text(key, 'labelKey').text(labels[key] ?? '', 'labelValue'))
  }

  /** The same port twice says nothing more than once, and is written once. */
  ports (ports: readonly NamedPort[]): this {
    const sorted = [...ports].sort(comparePorts).filter((port, i, all) => i === 0 || comparePorts(port, all[i - 1] ?? port) !== 0)
    return this.#list(sorted, 'ports', port => this.#port(port))
  }

  images (images: readonly string[]): this {
    return this.#list([...new Set(images)].sort(compareText), 'images', image => this.text(image, 'image'))
  }

  bytes (): Uint8Array {
    return Buffer.concat(this.#chunks)
  }

  #port ({ name, port, protocol }: NamedPort): void {
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw refused(`port ${JSON.stringify(name)} has the number ${port}`)
    this.text(name, 'portName').uint16(port).uint8(protocols.indexOf(protocol))
  }

  #list<T> (items: readonly T[], field: keyof typeof countBounds, write: (item: T) => void): this {
    if (items.length > countBounds[field]) throw refused(`${items.length} ${field}, at most ${countBounds[field]}`)
    this.uint16(items.length)
    items.forEach(write)
    return this
  }
}

function refused (message: string): IdentityError {
  return new IdentityError('bad-request', message)
}
