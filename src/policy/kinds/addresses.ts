/** CIDRs and domain names of external peers. */

import { cidrCovers, parseCidr } from '../../model/cidr.ts'
import { whyNotDomain } from '../names.ts'
import type { Cidr } from '../../model/cidr.ts'
import type { AddressMatcher, DomainMatcher } from '../normal-form.ts'
import type { Place } from '../reader.ts'

/** `ipBlock: {cidr, except}`; each exception must lie strictly inside the block. */
export function readIpBlock (place: Place): AddressMatcher | undefined {
  if (!place.record(['cidr', 'except'])) return undefined
  const cidr = readCidr(place.at('cidr'))
  const except = place.at('except').items().map(item => readHole(item, cidr)).filter(hole => hole !== undefined)
  return cidr === undefined ? undefined : { kind: 'address', cidr, except }
}

function readHole (place: Place, cidr: Cidr | undefined): Cidr | undefined {
  const hole = readCidr(place)
  if (hole === undefined || cidr === undefined) return undefined
  const inside = hole.prefix > cidr.prefix && cidrCovers(cidr, hole)
  return inside ? hole : place.refuse(`an exception lies strictly inside ${cidr.text}`)
}

export function readCidr (place: Place): Cidr | undefined {
  const text = place.text()
  if (text === undefined) return undefined
  return parseCidr(text) ?? place.refuse('a CIDR is expected, e.g. 10.0.0.0/8 or fd00::/8')
}

/** A list of CIDRs, each at most once. */
export function readNetworks (place: Place, most: number): AddressMatcher[] {
  place.set(undefined, { least: 1, most })
  const texts = place.items().filter(({ value }) => typeof value === 'string') // the others are refused above
  return texts.map(readCidr).filter(cidr => cidr !== undefined).map(cidr => ({ kind: 'address', cidr, except: [] }))
}

/** A list of domain names, each at most once; in the matcher they are lower case and without the final dot. */
export function readDomains (place: Place, most: number): DomainMatcher[] {
  return place.set(whyNotDomain, { least: 1, most }).map(text => ({ kind: 'domain', pattern: text.toLowerCase().replace(/\.$/, '') }))
}
