/** Logs of containers, read from the files of their node: also while the API server or the kubelet is away. */

import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterNode } from '../node.ts'

/** Every line of all containers of a node whose log folder (`namespace_pod_uid/container`) matches; also those of pods that are gone, if they were looked at before. */
export class PodLogs implements Disposable {
  readonly #folder: string
  readonly #pattern: RegExp
  readonly #files = new Map<string, LogFile>()

  constructor (node: ClusterNode, pattern: RegExp) {
    this.#folder = join(node.logFolder, 'pods')
    this.#pattern = pattern
  }

  /** Whole lines that were written so far. */
  lines (): readonly string[] {
    this.#look()
    return [...this.#files.values()].flatMap(file => file.lines())
  }

  [Symbol.dispose] (): void {
    for (const file of this.#files.values()) file.close()
  }

  #look (): void {
    for (const pod of namesIn(this.#folder)) {
      for (const container of namesIn(join(this.#folder, pod)).filter(name => this.#pattern.test(`${pod}/${name}`))) {
        const folder = join(this.#folder, pod, container)
        for (const path of namesIn(folder).filter(name => /^\d+\.log$/.test(name)).map(name => join(folder, name))) {
          if (!this.#files.has(path)) this.#files.set(path, new LogFile(path))
        }
      }
    }
  }
}

/** An open file outlives its name: the kubelet removes logs with their pod. */
class LogFile {
  readonly #fd: number
  readonly #lines: string[] = []
  readonly #buffer = Buffer.alloc(1 << 20)
  /** Of a line that is not finished, in the file and for the runtime. */
  #rest = Buffer.alloc(0)
  #partial = ''

  constructor (path: string) { this.#fd = openSync(path, 'r') }

  lines (): readonly string[] {
    for (let size; (size = readSync(this.#fd, this.#buffer)) > 0;) this.#take(this.#buffer.subarray(0, size))
    return this.#lines
  }

  close (): void { closeSync(this.#fd) }

  #take (bytes: Buffer): void {
    const all = Buffer.concat([this.#rest, bytes])
    const end = all.lastIndexOf(0x0a) + 1
    this.#rest = all.subarray(end)
    for (const line of all.subarray(0, end).toString().split('\n')) {
      // "<time> stdout F <text>": F ends a line, P does not (the runtime cuts long ones).
      const [, tag = '', text = ''] = /^\S+ std(?:out|err) (\w) (.*)$/s.exec(line) ?? []
      if (tag === '') continue
      this.#partial += text
      if (tag === 'F') this.#lines.push(this.#partial)
      if (tag === 'F') this.#partial = ''
    }
  }
}

function namesIn (folder: string): string[] {
  try { return existsSync(folder) ? readdirSync(folder) : [] } catch { return [] }
}
