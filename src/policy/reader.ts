/**
 * Reads JSON that a stranger wrote, without ever throwing: what does not fit is collected with path, value and reason.
 *
 * Kubernetes treats `null` as absent; so do we. Only own properties are read, so a key such as `__proto__` is just
 * an unknown key. Only the paths that a translator asks for are walked, so depth and size of the rest do not matter.
 */

/** What is wrong at one place. */
export interface Problem {
  readonly path: string
  /** The value there, shortened, as JSON. */
  readonly value: string
  readonly reason: string
}

/** More than this helps nobody, and hostile input could fill memory with them. */
const maxProblems = 50
const maxShown = 80

/** The places of one object that can be read; `problems` grows while they are. */
export class Place {
  readonly value: unknown
  readonly path: string
  readonly problems: Problem[]
  /** What is valid but probably not meant. */
  readonly warnings: Problem[]

  constructor (value: unknown, path = '', problems: Problem[] = [], warnings: Problem[] = []) {
    this.value = value ?? undefined
    this.path = path
    this.problems = problems
    this.warnings = warnings
  }

  get present (): boolean { return this.value !== undefined }

  get isRecord (): boolean { return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value) }

  /** The keys with a value, or none when this is not an object. */
  keys (): string[] {
    return this.isRecord ? Object.keys(this.#record()).filter(key => (this.#record()[key] ?? undefined) !== undefined) : []
  }

  /** Records a problem here. Returns `undefined`, so that a reading function can end with it. */
  refuse (reason: string): undefined {
    if (this.problems.length < maxProblems) this.problems.push({ path: this.path, value: preview(this.value), reason })
    return undefined
  }

  /** Records a warning here. */
  warn (reason: string): void {
    if (this.warnings.length < maxProblems) this.warnings.push({ path: this.path, value: preview(this.value), reason })
  }

  /** The place of a field; absent where this is not an object. */
  at (key: string): Place {
    const value = this.isRecord && Object.hasOwn(this.#record(), key) ? this.#record()[key] : undefined
    return new Place(value, this.path === '' ? key : `${this.path}.${key}`, this.problems, this.warnings)
  }

  /** Whether this is an object; refuses when not, and refuses each key that is not in `known`. */
  record (known: readonly string[]): boolean {
    if (!this.isRecord) { this.refuse(this.present ? 'an object is expected' : 'required'); return false }
    for (const key of this.keys()) {
      if (!known.includes(key)) this.at(key).refuse('unknown field')
    }
    return true
  }

  /** The places of a list; none when absent; refuses what is not a list, and lists outside `least` to `most`. */
  items ({ least = 0, most = 10_000 }: { least?: number, most?: number } = {}): Place[] {
    if (!this.present) return []
    if (!Array.isArray(this.value)) { this.refuse('a list is expected'); return [] }
    if (this.value.length > most) { this.refuse(`at most ${most} items`); return [] }
    if (this.value.length < least) this.refuse(`at least ${least} ${least === 1 ? 'item' : 'items'}`)
    return this.value.map((item, i) => new Place(item, `${this.path}[${i}]`, this.problems, this.warnings))
  }

  /** A text that `whyNot` accepts. */
  text (whyNot: (text: string) => string | undefined = () => undefined): string | undefined {
    if (typeof this.value !== 'string') return this.refuse(this.present ? 'a text is expected' : 'required')
    const reason = whyNot(this.value)
    return reason === undefined ? this.value : this.refuse(reason)
  }

  integer (least: number, most: number): number | undefined {
    if (typeof this.value !== 'number' || !Number.isInteger(this.value)) return this.refuse(this.present ? 'a whole number is expected' : 'required')
    return this.value >= least && this.value <= most ? this.value : this.refuse(`${least} to ${most} is expected`)
  }

  oneOf<T extends string> (values: readonly T[]): T | undefined {
    return values.find(value => value === this.value) ?? this.refuse(this.present ? `one of ${values.join(', ')} is expected` : 'required')
  }

  /** The texts of a list; those that are refused are left out. */
  texts (whyNot?: (text: string) => string | undefined, limits?: { least?: number, most?: number }): string[] {
    return this.items(limits).map(item => item.text(whyNot)).filter(text => text !== undefined)
  }

  /** As `texts`, and refuses a text that stands there twice (`listType: set`). */
  set (whyNot?: (text: string) => string | undefined, limits?: { least?: number, most?: number }): string[] {
    const texts = this.texts(whyNot, limits)
    if (new Set(texts).size < texts.length) this.refuse('each item may be there once')
    return texts
  }

  #record (): Record<string, unknown> {
    return this.value as Record<string, unknown> // every caller has asked isRecord
  }
}

/** At most 80 characters of JSON; never throws (cycles, BigInt). */
function preview (value: unknown): string {
  let text: string | undefined
  try {
    let budget = 200
    text = JSON.stringify(value, (_, inner: unknown) => budget-- > 0 ? inner : undefined)
  } catch {
    text = typeof value
  }
  text ??= value === undefined ? '' : typeof value
  return text.length > maxShown ? `${text.slice(0, maxShown - 1)}…` : text
}
