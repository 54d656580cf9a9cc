/**
 * Two network namespaces with one cable between them, each bound to one CPU: node A, where the client is, and node B,
 * where the server is.
 *
 * Every variant has a pair of its own, so that the rules of one are not in the way of another. Names begin as those
 * of the lab do, so that whatever a killed run leaves behind is swept by the next one or by the next lab test.
 */

import { mkdtemp } from 'node:fs/promises'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Daemon } from '../test/fixtures/lab/daemon.ts'
import { addNetns, ip, netnsPath, removeNetns, sweep, sysctl } from '../test/fixtures/lab/netns.ts'
import { inNetns, run } from '../test/fixtures/lab/run.ts'
import type { Finished } from '../test/fixtures/lab/run.ts'

/** RFC 2544's network for benchmarks. */
export const addressOf = { a: '198.18.99.1', b: '198.18.99.2' } as const
export type Side = keyof typeof addressOf

/**
 * The same for every variant. With time stamps a port in TIME_WAIT may be taken again after a second (RFC 6191), so up to
 * 30,000 connections a second never run out of ports: what is measured is the proxy, not the size of a range.
 * Above 32767 because liburna dials the application from the ports below.
 */
const sysctls = { 'ipv4/tcp_tw_reuse': '1', 'ipv4/ip_local_port_range': '32768 65535', 'ipv4/tcp_max_syn_backlog': '8192', 'core/somaxconn': '8192' }

export interface Program {
  readonly command: string
  readonly args: readonly string[]
  /** Which CPU it is bound to. */
  readonly side: Side
  /** In the namespace of the side, or in that of the machine, as an agent is. @default 'inside' */
  readonly place?: 'inside' | 'outside'
  readonly env?: Readonly<Record<string, string>>
}

/** Where everything of one run lives. Disposing removes all of it, and so does the end of the process. */
export class Site implements Disposable {
  readonly folder: string
  readonly cpus: Readonly<Record<Side, number>>
  readonly #prefix = `lb${process.pid}-b`
  readonly #daemons: Daemon[] = []
  #pairs = 0

  private constructor (folder: string, cpus: Readonly<Record<Side, number>>) {
    this.folder = folder
    this.cpus = cpus
    process.once('exit', () => { this[Symbol.dispose]() })
  }

  static async open (cpus: Readonly<Record<Side, number>>): Promise<Site> {
    sweep()
    return new Site(await mkdtemp(join(tmpdir(), `lb${process.pid}-bench-`)), cpus)
  }

  async pair (): Promise<Pair> {
    const name = `${this.#prefix}${++this.#pairs}`
    const pair = new Pair(this, name)
    await pair.open()
    return pair
  }

  daemon (daemon: Daemon): Daemon {
    this.#daemons.push(daemon)
    return daemon
  }

  [Symbol.dispose] (): void {
    for (const daemon of this.#daemons) if (daemon.running) daemon.kill('SIGKILL')
    removeNetns(this.#prefix)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export class Pair {
  readonly site: Site
  readonly #name: string

  constructor (site: Site, name: string) {
    this.site = site
    this.#name = name
  }

  /** Name under /run/netns. */
  netns (side: Side): string { return `${this.#name}-${side}` }

  async open (): Promise<void> {
    await addNetns(this.netns('a'), this.netns('b'))
    await ip(this.netns('a'), [`link add eth0 type veth peer name eth0 netns ${this.netns('b')}`])
    for (const side of ['a', 'b'] as const) {
      await ip(this.netns(side), ['link set lo up', 'link set eth0 up', `addr add ${addressOf[side]}/24 dev eth0`])
      await sysctl(this.netns(side), sysctls)
    }
  }

  /** Starts a program that ends with the site, or with `stop`. */
  start ({ command, args, side, place = 'inside', env = {} }: Program): Daemon {
    return this.site.daemon(new Daemon(...this.#bound(side, command, args, env), place === 'inside' ? netnsPath(this.netns(side)) : undefined))
  }

  /** Runs a program inside to its end; SIGKILL after `withinMs`. */
  async run (side: Side, command: string, args: readonly string[], withinMs: number): Promise<Finished> {
    return run(...this.#bound(side, command, args, {}), { netns: netnsPath(this.netns(side)), withinMs })
  }

  /** As `run`, for who wants to talk with the program: a command line for `spawn`. */
  commandLine (side: Side, command: string, args: readonly string[]): [string, string[]] {
    return inNetns(netnsPath(this.netns(side)), ...this.#bound(side, command, args, {}))
  }

  /** Whether something listens on `port`, as the kernel says: a probe connection would be one more to serve. */
  async listens (side: Side, port: number): Promise<boolean> {
    return (await run('ss', ['-Hltn', `sport = ${port}`], { netns: netnsPath(this.netns(side)) })).stdout.trim() !== ''
  }

  #bound (side: Side, command: string, args: readonly string[], env: Readonly<Record<string, string>>): [string, string[]] {
    return ['taskset', ['-c', `${this.site.cpus[side]}`, 'env', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), command, ...args]]
  }
}
