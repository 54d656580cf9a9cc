/** The process of `relays.ts`, seen from its parent. */

import { fork } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ChildProcess } from 'node:child_process'
import type { ModeName } from './modes.ts'
import type { Transport } from '../../src/relay/index.ts'

export interface RelaysSpec {
  readonly near: Transport['kind']
  readonly far: Transport['kind']
  readonly threads: number
  readonly modes: readonly ModeName[]
  /** Port of the server application. */
  readonly application: number
}

export type ToRelays = { readonly ask: 'holds' | 'stop' }
export type FromRelays =
  | { readonly is: 'ready', readonly ports: readonly number[] }
  | { readonly is: 'holds', readonly counts: Readonly<Record<string, number>>, readonly failures: Readonly<Record<string, number>> }
  | { readonly is: 'stopped', readonly left: Readonly<Record<string, number>> }

/** What the process holds. */
export interface Holding {
  readonly residentMb: number
  readonly descriptors: number
  /** Of things without a garbage collector, and connections that are forwarded. */
  readonly counts: Readonly<Record<string, number>>
  /** Connections that did not come to be forwarded, by reason. */
  readonly failures: Readonly<Record<string, number>>
}

export class RelayProcess {
  readonly #child: ChildProcess
  readonly ports: readonly number[]

  private constructor (child: ChildProcess, ports: readonly number[]) {
    this.#child = child
    this.ports = ports
  }

  /** Rejects when it dies before it is ready. `onDeath` hears of it later. */
  static async start (spec: RelaysSpec, onDeath: (why: string) => void): Promise<RelayProcess> {
    // Detached: a Ctrl-C is for the parent, which ends it in order.
    const child = fork(fileURLToPath(new URL('./relays.ts', import.meta.url)), [JSON.stringify(spec)], { execArgv: ['--expose-gc'], detached: true })
    child.once('exit', (code, signal) => { onDeath(`the relay process has ended: ${signal ?? code}`) })
    const ready = await answer(child, 'ready')
    return new RelayProcess(child, ready.ports)
  }

  async holding (): Promise<Holding> {
    this.#child.send({ ask: 'holds' } satisfies ToRelays)
    const { counts, failures } = await answer(this.#child, 'holds')
    const proc = `/proc/${this.#child.pid}`
    const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`${proc}/status`, 'utf8'))?.[1]
    return { residentMb: Number(resident) / 1024, descriptors: readdirSync(`${proc}/fd`).length, counts, failures }
  }

  /** Ends it; resolves with what it could not let go of. */
  async stop (): Promise<Readonly<Record<string, number>>> {
    this.#child.removeAllListeners('exit')
    this.#child.send({ ask: 'stop' } satisfies ToRelays)
    return (await answer(this.#child, 'stopped')).left
  }

  kill (): void {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGKILL')
  }
}

function answer<K extends FromRelays['is']> (child: ChildProcess, is: K): Promise<FromRelays & { readonly is: K }> {
  return new Promise((resolve, reject) => {
    const settle = (): void => { child.off('message', hear); child.off('exit', died) }
    const hear = (message: FromRelays): void => { if (message.is === is) { settle(); resolve(message as FromRelays & { readonly is: K }) } }
    const died = (): void => { settle(); reject(new Error('the relay process has ended')) }
    child.on('message', hear)
    child.on('exit', died)
  })
}
