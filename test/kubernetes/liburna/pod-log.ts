/** Logs of containers, read from the files of their node: also while the API server or the kubelet is away. */

import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterNode } from '../node.ts'

/** Every line of all containers of a node whose log folder (`namespace_pod_uid/container`) matches; also those of pods that are gone, if they were looked at before. */
export class PodLogs implements Disposable {
  readonly #folder: string
  readonly #pattern: RegExp
  /** By inode. */
  readonly #files = new Map<number, LogFile>()
  readonly #lines: string[] = []

  constructor (node: ClusterNode, pattern: RegExp) {
    this.#folder = join(node.logFolder, 'pods')
    this.#pattern = pattern
  }

  /** Whole lines that were written so far, in their order, also where they are of one container after the other. */
  lines (): readonly string[] {
    this.#look()
    const fresh = [...this.#files.values()].flatMap(file => file.read())
    this.#lines.push(...fresh.sort((a, b) => a.time < b.time ? -1 : 1).map(({ text }) => text))
    return this.#lines
  }

  [Symbol.dispose] (): void {
    for (const file of this.#files.values()) file.close()
  }

  #look (): void {
    for (const pod of namesIn(this.#folder)) {
      for (const container of namesIn(join(this.#folder, pod)).filter(name => this.#pattern.test(`${pod}/${name}`))) {
        const folder = join(this.#folder, pod, container)
        for (const path of namesIn(folder).filter(name => /^\d+\.log$/.test(name)).map(name => join(folder, name))) this.#open(path)
      }
    }
  }

  /** The kubelet gives a log that has grown another name, and begins a new one. */
  #open (path: string): void {
    const inode = statSync(path, { throwIfNoEntry: false })?.ino
    if (inode !== undefined && !this.#files.has(inode)) this.#files.set(inode, new LogFile(path))
  }
}

interface Line {
  /** RFC 3339 with nanoseconds. */
  readonly time: string
  readonly text: string
}

/** An open file outlives its name: the kubelet removes logs with their pod. */
class LogFile {
  readonly #fd: number
  readonly #buffer = Buffer.alloc(1 << 20)
  /** Of a line that is not finished, in the file and for the runtime. */
  #rest = Buffer.alloc(0)
  #partial = ''

  constructor (path: string) { this.#fd = openSync(path, 'r') }

  /** What has come since the last time. */
  read (): Line[] {
    const lines: Line[] = []
    for (let size; (size = readSync(this.#fd, this.#buffer)) > 0;) lines.push(...this.#take(this.#buffer.subarray(0, size)))
    return lines
  }

  close (): void { closeSync(this.#fd) }

  #take (bytes: Buffer): Line[] {
    const lines: Line[] = []
    const all = Buffer.concat([this.#rest, bytes])
    const end = all.lastIndexOf(0x0a) + 1
    this.#rest = all.subarray(end)
    for (const line of all.subarray(0, end).toString().split('\n')) {
      // "<time> stdout F <text>": F ends a line, P does not (the runtime cuts long ones).
      const [, time = '', tag = '', text = ''] = /^(\S+) std(?:out|err) (\w) (.*)$/s.exec(line) ?? []
      this.#partial += text
      if (tag !== 'F') continue
      lines.push({ time, text: this.#partial })
      this.#partial = ''
    }
    return lines
  }
}

function namesIn (folder: string): string[] {
  try { return existsSync(folder) ? readdirSync(folder) : [] } catch { return [] }
}
