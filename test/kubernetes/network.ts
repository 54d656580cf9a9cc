/**
 * The network: a router, and around it the control plane and the nodes, each in a network of its own.
 *
 * ```
 *   lbk-cp  198.19.0.2 ─┐
 *   lbk-n1  198.19.1.2 ─┼─ lbk-net (198.19.x.1, forwards)
 *   lbk-n2  198.19.2.2 ─┘
 * ```
 *
 * Pods are behind their node: source NAT on the way out (CNI bridge, ipMasq), destination NAT on the way in (CNI
 * portmap, NodePort). Pod addresses are the same on both nodes and never appear between them. All of it is in
 * namespaces of its own: nothing of this machine's own network is changed, and nothing leads out.
 */

import { addNetns, ip, removeNetns, sysctl } from '../fixtures/lab/netns.ts'
import { prefix } from './paths.ts'

export const nodeNames = ['n1', 'n2'] as const
export type NodeName = typeof nodeNames[number]
export const machineNames = ['cp', ...nodeNames] as const
export type MachineName = typeof machineNames[number]

/** The same on every node. */
export const podCidr = '10.244.0.0/16'
export const serviceCidr = '10.96.0.0/16'
export const router = `${prefix}net`

export function netnsOf (machine: MachineName): string {
  return `${prefix}${machine}`
}

export function addressOf (machine: MachineName): string {
  return `198.19.${machineNames.indexOf(machine)}.2`
}

export async function makeNetwork (): Promise<void> {
  await addNetns(router, ...machineNames.map(netnsOf))
  await sysctl(router, { 'ipv4/ip_forward': '1' })
  for (const machine of machineNames) await connect(machine)
}

/** Removes the namespaces, and with them links, routes and rules. */
export function removeNetwork (): void {
  removeNetns(prefix)
}

async function connect (machine: MachineName): Promise<void> {
  const netns = netnsOf(machine)
  const gateway = addressOf(machine).replace(/2$/, '1')
  await ip(router, [`link add ${machine} type veth peer name eth0 netns ${netns}`, `addr add ${gateway}/24 dev ${machine}`, `link set ${machine} up`])
  await ip(netns, ['link set lo up', `addr add ${addressOf(machine)}/24 dev eth0`, 'link set eth0 up', `route add default via ${gateway}`])
}
