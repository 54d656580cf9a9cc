/** Everything in a node and in the API server that liburna could leave behind. */

import { hierarchies } from '../cgroups.ts'
import type { Cluster } from '../cluster.ts'
import type { ClusterNode } from '../node.ts'

/** Rules, routes and settings of a network namespace; counters and times are left out. */
const networkState = `nft --stateless list ruleset
ip rule; ip -6 rule; ip route show table all; ip -6 route show table all
grep -rs '' /proc/sys/net/ipv4 /proc/sys/net/ipv6 /proc/sys/net/core || true`

/** The state of each network namespace of a node's pods, by the name of the namespace. */
export async function podNetworks (node: ClusterNode): Promise<Readonly<Record<string, string>>> {
  const names = (await node.must(['ls', '/run/netns'])).split('\n').filter(name => name !== '')
  const states = await Promise.all(names.map(async name => [name, await node.must(['nsenter', `--net=/run/netns/${name}`, 'sh', '-c', networkState])] as const))
  return Object.fromEntries(states)
}

/** Files, rules of the node itself and BPF programs that bear the name, or are attached in the node's cgroups. */
export async function tracesOn (node: ClusterNode): Promise<readonly string[]> {
  const files = await node.must(['sh', '-c', 'find /run /var/lib /var/log /opt /tmp -xdev \\( -path /var/lib/containerd -o -path /run/containerd \\) -prune -o -iname "*liburna*" -print 2>/dev/null || true'])
  const rules = await node.must(['sh', '-c', 'nft list tables; ip rule; ls /sys/fs/bpf'])
  const cgroup2 = hierarchies().find(({ version }) => version === 2)
  const programs = cgroup2 === undefined ? '' : await node.must(['bpftool', 'cgroup', 'tree', cgroup2.path])
  const lines = (text: string): string[] => text.split('\n').filter(line => line !== '')
  return [...lines(files), ...lines(rules).filter(line => /liburna/.test(line)), ...lines(programs).filter(line => /sock_ops|liburna/.test(line))]
}

/** Every object of every kind whose name says that it is liburna's. */
export async function objectsLeft (cluster: Cluster): Promise<readonly string[]> {
  const kinds = (await cluster.kubectl(['api-resources', '--verbs=list', '-o', 'name'])).split('\n').filter(kind => kind !== '' && !kind.startsWith('events'))
  const names = await cluster.kubectl(['get', kinds.join(','), '-A', '-o', 'name', '--ignore-not-found'], undefined, { withinMs: 120_000 })
  return names.split('\n').filter(name => name.includes('liburna'))
}

