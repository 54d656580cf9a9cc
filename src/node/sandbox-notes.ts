/**
 * What the container runtime has told of sandboxes, kept in a file of the node for the agent that comes next.
 *
 * The runtime may be silent for long: containerd answers no plugin that registers while it stops a container, however long that one
 * takes to end (its StopContainer holds `BlockPluginSync`). An agent that only waited would leave the pods of its node without
 * service. So it begins with what the one before it has noted, and goes on reading as long as the runtime is silent: an agent
 * that ends, or is about to, is told of pods and notes them.
 *
 * Who may write the file may write where the runtime's socket is, which is more. What it says is believed of a namespace that is still
 * the same (its inode) and of a pod that the API server knows by the same uid and name.
 */

import { randomBytes } from 'node:crypto'
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { codeOf, messageOf } from '../lib/error.ts'
import type { KubernetesSource, Sandbox } from '../cluster/index.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Log } from '../observe/index.ts'

export interface SandboxNotesParts {
  readonly source: Pick<KubernetesSource, 'sandboxes' | 'fillSandboxes'>
  readonly clock: Clock
  readonly log: Log
  /** Called when notes were read, at each time that they are new, with whether they are kept. Must not throw. */
  readonly onRead: (areKept: boolean) => void
}

interface Note extends Sandbox { readonly inode: string }

interface Notes {
  /** Ms since the epoch. */
  readonly at: number
  readonly sandboxes: readonly Note[]
}

/** How often a runtime that is silent makes us look for newer notes, and how often they are written while it tells, ms. */
const [lookMs, writeMs] = [500, 2000]
/** Who has written nothing for so long is not told of pods any more, ms. */
const freshMs = 10_000
const mostBytes = 4 * 1024 * 1024

export class SandboxNotes implements Disposable {
  readonly #path: string
  /** Two agents may write at once, each with the process id 1 of its container. */
  readonly #draft: string
  readonly #parts: SandboxNotesParts
  #timer: Timer | undefined
  #isTold = false
  #seen = ''
  #notedAt = -Infinity
  #isBroken = false

  /** `path`: of the file. */
  constructor (path: string, parts: SandboxNotesParts) {
    this.#path = path
    this.#draft = `${path}.${randomBytes(6).toString('hex')}`
    this.#parts = parts
  }

  /** The runtime does not tell; said once or more. */
  silent (): void {
    if (this.#timer === undefined || this.#isTold) this.#begin(false)
  }

  /** The runtime tells, and has told of all there are. */
  told (): void { this.#begin(true) }

  /** Whether another agent is told of pods now, and notes them; as of the last look. */
  get areKept (): boolean { return this.#parts.clock.now() - this.#notedAt < freshMs }

  /** Notes all that there are, for whoever comes. */
  write (): void {
    const { source, clock } = this.#parts
    this.#guarded('cannot be written', () => {
      const sandboxes = source.sandboxes().flatMap(({ sandbox }): Note[] => {
        const inode = inodeOf(sandbox.netns)
        return inode === undefined ? [] : [{ ...sandbox, inode }]
      })
      writeFileSync(this.#draft, JSON.stringify({ at: clock.now(), sandboxes } satisfies Notes), { mode: 0o600 })
      renameSync(this.#draft, this.#path)
    })
  }

  /** Leaves nothing behind: no agent comes. */
  remove (): void {
    this.#guarded('cannot be removed', () => { rmSync(this.#path, { force: true }) })
  }

  [Symbol.dispose] (): void { this.#timer?.cancel() }

  #begin (isTold: boolean): void {
    this.#isTold = isTold
    this.#timer?.cancel()
    this.#goOn()
  }

  /** Writes again what has not changed, so that who reads it knows that it is of now. */
  #goOn (): void {
    if (this.#isTold) this.write()
    else this.#guarded('cannot be read', () => { this.#read() })
    this.#timer = this.#parts.clock.after(this.#isTold ? writeMs : lookMs, () => { this.#goOn() })
  }

  #read (): void {
    const { size, ino, mtimeNs } = statSync(this.#path, { bigint: true, throwIfNoEntry: false }) ?? {}
    const version = `${ino} ${mtimeNs}`
    if (size === undefined || version === this.#seen) return
    this.#seen = version
    if (size > mostBytes) throw new Error(`${size} bytes`)
    const notes: unknown = JSON.parse(readFileSync(this.#path, 'utf8'))
    if (!areNotes(notes)) throw new Error('not the notes of an agent')
    this.#notedAt = notes.at
    const found = notes.sandboxes.filter(({ netns, inode }) => inodeOf(netns) === inode)
    this.#parts.source.fillSandboxes(found.map(({ inode: _, ...sandbox }) => sandbox))
    this.#parts.onRead(this.areKept)
  }

  #guarded (what: string, task: () => void): void {
    try {
      task()
      this.#isBroken = false
    } catch (error) {
      if (!this.#isBroken) this.#parts.log.warn(`the notes of sandboxes ${what}`, { path: this.#path, code: codeOf(error), error: messageOf(error) })
      this.#isBroken = true
    }
  }
}

function areNotes (value: unknown): value is Notes {
  if (typeof value !== 'object' || value === null) return false
  const { at, sandboxes } = value as Readonly<Record<string, unknown>> // an object
  return typeof at === 'number' && Array.isArray(sandboxes) && sandboxes.every(isNote)
}

function isNote (value: unknown): value is Note {
  if (typeof value !== 'object' || value === null) return false
  const fields = value as Readonly<Record<string, unknown>> // an object
  return ['id', 'uid', 'namespace', 'name', 'netns', 'inode'].every(key => typeof fields[key] === 'string' && fields[key] !== '')
}

/** `undefined` where there is nothing. */
function inodeOf (path: string): string | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino.toString()
}
