/**
 * A guard in the node's own network namespace: new TCP connections of pods that nobody has released are dropped where the
 * node forwards them, or takes them itself. It is there when no agent is, so a pod that starts meanwhile is held.
 *
 *     pod ──▶ forward / input:  from an interface of pods?  source released?       no: drop
 *     ──▶ pod   forward:        to an interface of pods?    destination released?  no: drop
 *
 * Released are pods that are captured (their own rules judge or hold everything), for a while that the agent prolongs, and
 * pods that are not to be captured, until the agent hears that they end. The node's own connections to its pods (probes)
 * leave by the output hook, which is not guarded. What the wire of a bridge carries between two pods of the node is seen only with
 * br_netfilter, as kube-proxy needs it, too.
 */

import { isInterfacePattern } from '../model/interface-pattern.ts'
import { CaptureError } from './error.ts'
import { runTool } from './tools.ts'
import type { IpAddress } from '../model/address.ts'
import type { Netns } from '../sys/index.ts'

const table = 'inet liburna_guard'

/** How long a captured pod stays released without word of an agent. Without one its own rules hold it anyhow. */
const armedSeconds = 60

/** Addresses of the node's pods. */
export interface Released {
  /** Of captured pods. */
  readonly armed: readonly IpAddress[]
  /** Of pods that are not to be captured. */
  readonly free: readonly IpAddress[]
}

/** Loads the guard for interfaces by name (`cni0`, `cali*`); what an agent before us has released stays so. Throws `CaptureError`. */
export async function applyHostGuard (here: Netns, interfaces: readonly string[]): Promise<void> {
  const rules = describeHostGuard(interfaces)
  // One that an older version made may have another shape; it is then made anew, with nothing released.
  if ((await nft(here, rules)).status !== 0) await must(here, `${removal}${rules}`)
}

/** Releases these and no others; of captured ones `gone` are no longer released. Throws `CaptureError`. */
export async function releaseAddresses (here: Netns, released: Released, gone: readonly IpAddress[]): Promise<void> {
  await must(here, describeReleased(released, gone))
}

/** Takes the guard out; does nothing where there is none. Throws `CaptureError`. */
export async function removeHostGuard (here: Netns): Promise<void> {
  await must(here, removal)
}

const removal = `add table ${table}\ndelete table ${table}\n`

/** Lines for `nft -f -`, to be loaded again and again. Pure. */
export function describeHostGuard (interfaces: readonly string[]): string {
  const names = interfaces.map(checkedName)
  const sets = [['armed4', 'ipv4_addr', ' flags timeout;'], ['armed6', 'ipv6_addr', ' flags timeout;'], ['free4', 'ipv4_addr', ''], ['free6', 'ipv6_addr', '']]
  const allow = (end: string): string[] => ['armed', 'free'].flatMap(set => [`ip ${end} @${set}4 return`, `ip6 ${end} @${set}6 return`])
  const onlyNew = ['meta l4proto != tcp accept', 'tcp flags & (syn | ack) != syn accept']
  return [
    `add table ${table}`,
    ...sets.map(([name, type, flags]) => `add set ${table} ${name} { type ${type};${flags} }`),
    ...chain('from_pod', undefined, [...allow('saddr'), 'counter drop']),
    ...chain('to_pod', undefined, [...allow('daddr'), 'counter drop']),
    ...chain('forward', 'forward', [...onlyNew, ...names.flatMap(name => [`iifname "${name}" jump from_pod`, `oifname "${name}" jump to_pod`])]),
    ...chain('input', 'input', [...onlyNew, ...names.map(name => `iifname "${name}" jump from_pod`)]),
    '',
  ].join('\n')
}

/** Lines for `nft -f -`. An element that is there keeps its time, so each is taken out and put in anew. Pure. */
export function describeReleased ({ armed, free }: Released, gone: readonly IpAddress[]): string {
  return ([4, 6] as const).flatMap(family => {
    const of = (ips: readonly IpAddress[]): string[] => ips.filter(ip => ip.family === family).map(({ text }) => text)
    const change = (verb: string, set: string, items: readonly string[]): string[] => items.length === 0 ? [] : [`${verb} element ${table} ${set}${family} { ${items.join(', ')} }`]
    const away = [...of(armed), ...of(gone)]
    return [
      `flush set ${table} free${family}`,
      ...change('add', 'free', of(free)),
      ...change('add', 'armed', away), ...change('delete', 'armed', away),
      ...change('add', 'armed', of(armed).map(text => `${text} timeout ${armedSeconds}s`)),
    ]
  }).join('\n') + '\n'
}

function chain (name: string, hook: string | undefined, rules: readonly string[]): string[] {
  const base = hook === undefined ? '' : ` { type filter hook ${hook} priority -1; policy accept; }`
  return [`add chain ${table} ${name}${base}`, `flush chain ${table} ${name}`, ...rules.map(rule => `add rule ${table} ${name} ${rule}`)]
}

function checkedName (text: string): string {
  if (!isInterfacePattern(text)) throw new RangeError(`not a name of an interface: ${JSON.stringify(text)}`)
  return text
}

function nft (here: Netns, text: string): ReturnType<typeof runTool> {
  return runTool(here, 'nft', ['-f', '-'], text)
}

async function must (here: Netns, text: string): Promise<void> {
  const { status, stderr } = await nft(here, text)
  if (status !== 0) throw new CaptureError('rules-failed', `nft refuses the host guard: ${stderr.trim()}`)
}
