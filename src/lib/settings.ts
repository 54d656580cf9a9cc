/**
 * Settings as a table: each row has a name, a default, a kind and a meaning. Reading, refusing and explaining
 * all come from the rows, so none of them can disagree.
 */

import { nearest } from './nearest.ts'

/** Keys and indices from the top down to a value. */
export type ValuePath = readonly (string | number)[]

/** Refuses the value at `path`; `expected` completes "expected …". */
export type Refuse = (path: ValuePath, value: unknown, expected: string) => never

/** Turns what was written into what is meant. */
export interface Reader<T> {
  /** One or two words for the table: `duration`, `list of CIDRs`. */
  readonly kind: string
  readonly read: (value: unknown, path: ValuePath, refuse: Refuse) => T
}

/** A row. `default` is in the form in which it would be written; a row without one is required. */
export interface Setting<T> {
  readonly reader: Reader<T>
  readonly default?: unknown
  readonly meaning: string
}

/** Rows by dotted name: `handshake.timeout`. */
export type Settings = Readonly<Record<string, Setting<unknown>>>
/** The values of the rows, under the same dotted names. */
export type Values<S extends Settings> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never }

/** The rows of `settings` under a further name: `socket` becomes `nri.socket`. */
export type Under<P extends string, S extends Settings> = { readonly [K in keyof S & string as `${P}.${K}`]: S[K] }

export function settingsUnder<P extends string, S extends Settings> (prefix: P, settings: S): Under<P, S> {
  // The keys are those of the type, by construction.
  return Object.fromEntries(Object.entries(settings).map(([name, setting]) => [`${prefix}.${name}`, setting])) as Under<P, S>
}

/** The values of rows that `settingsUnder` has made, by their former names. */
export function valuesUnder<S extends Settings> (prefix: string, settings: S, values: Readonly<Record<string, unknown>>): Values<S> {
  // Each value was read by the row of this name.
  return Object.fromEntries(Object.keys(settings).map(name => [name, values[`${prefix}.${name}`]])) as Values<S>
}

/** Reads all rows from `value`, which must be a map without keys that are no setting. */
export function readSettings<S extends Settings> (settings: S, value: unknown, path: ValuePath, refuse: Refuse): Values<S> {
  refuseUnknown(Object.keys(settings), value, path, path, refuse)
  const values = Object.entries(settings).map(([name, setting]) => [name, readRow(name, setting, value, path, refuse)])
  // Each row was read by its own reader, under its own name.
  return Object.fromEntries(values) as Values<S>
}

/** A map of its own rows, as an item of a list or a value of a map. */
export function mapReader<S extends Settings> (kind: string, settings: S): Reader<Values<S>> {
  return { kind, read: (value, path, refuse) => readSettings(settings, value, path, refuse) }
}

/** Text of at most 4096 characters that `isRight` accepts. */
export function textReader (kind: string, expected: string, isRight: (text: string) => boolean): Reader<string> {
  return {
    kind,
    read: (value, path, refuse) => typeof value === 'string' && value.length <= 4096 && isRight(value) ? value : refuse(path, value, hint(value, expected)),
  }
}

export function numberReader (kind: string, least: number, most: number, { whole = true } = {}): Reader<number> {
  const isRight = (value: unknown): value is number => typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value))
  const expected = `a ${whole ? 'whole ' : ''}number from ${least} to ${most}`
  return { kind, read: (value, path, refuse) => isRight(value) ? value : refuse(path, value, expected) }
}

export const flagReader: Reader<boolean> = {
  kind: 'true or false',
  read: (value, path, refuse) => typeof value === 'boolean' ? value : refuse(path, value, 'true or false'),
}

export function choiceReader<const T extends string> (choices: readonly T[], also = ''): Reader<T> {
  const expected = choices.join(' or ') + also
  return { kind: choices.join(' or '), read: (value, path, refuse) => choices.find(choice => choice === value) ?? refuse(path, value, expected) }
}

/** Text that `parse` makes something of. */
export function parsedReader<T> (kind: string, expected: string, parse: (text: string) => T | undefined): Reader<T> {
  return { kind, read: (value, path, refuse) => (typeof value === 'string' ? parse(value) : undefined) ?? refuse(path, value, expected) }
}

export function listReader<T> (item: Reader<T>, kind = `list of ${item.kind}`): Reader<readonly T[]> {
  return {
    kind,
    read: (value, path, refuse) => Array.isArray(value) ? value.map((each, i) => item.read(each, [...path, i], refuse)) : refuse(path, value, 'a list'),
  }
}

/** A map with free keys; `key` checks them. */
export function recordReader<T> (key: Reader<string>, item: Reader<T>, kind: string): Reader<Readonly<Record<string, T>>> {
  return {
    kind,
    read: (value, path, refuse) => {
      if (!isMap(value)) return refuse(path, value, 'a map')
      return Object.fromEntries(Object.entries(value).map(([name, each]) => [key.read(name, [...path, name], refuse), item.read(each, [...path, name], refuse)]))
    },
  }
}

/** A value as a message shows it: JSON, cut short. */
export function showValue (value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing'
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

function readRow<T> (name: string, setting: Setting<T>, from: unknown, path: ValuePath, refuse: Refuse): T {
  const keys = name.split('.')
  let value = from
  for (const [depth, key] of keys.entries()) {
    if (value === undefined) break
    if (!isMap(value)) return refuse([...path, ...keys.slice(0, depth)], value, 'a map')
    value = value[key]
  }
  return setting.reader.read(value === undefined ? setting.default : value, [...path, ...keys], refuse)
}

/** Every key has to be a row or lead to one. Below a row its reader looks after the keys. */
function refuseUnknown (names: readonly string[], value: unknown, path: ValuePath, base: ValuePath, refuse: Refuse): void {
  if (!isMap(value)) return
  const prefix = path.slice(base.length).map(key => `${key}.`).join('')
  const here = [...new Set(names.filter(name => name.startsWith(prefix)).map(name => name.slice(prefix.length).split('.')[0] ?? ''))]
  for (const [key, inner] of Object.entries(value)) {
    if (!here.includes(key)) refuseKey(key, here, [...path, key], refuse)
    else if (!names.includes(prefix + key)) refuseUnknown(names, inner, [...path, key], base, refuse)
  }
}

function refuseKey (key: string, known: readonly string[], path: ValuePath, refuse: Refuse): never {
  const guess = nearest(key, known)
  return refuse(path, unknownKey, guess === undefined ? `one of ${known.join(', ')}` : `did you mean ${guess}?`)
}

/** Given to `Refuse` as the value when the key itself is what is wrong. */
export const unknownKey = Symbol('unknown key')

function isMap (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** YAML reads `1` and `true` as no text; quotes are what people miss. */
function hint (value: unknown, expected: string): string {
  return typeof value === 'number' || typeof value === 'boolean' ? `${expected} (text: put it in quotes)` : expected
}

/** A line of the table, for help and README. */
export interface SettingLine {
  readonly name: string
  readonly kind: string
  /** As it would be written; `required` when there is none. */
  readonly default: string
  readonly meaning: string
}

/** The rows as lines, each name after `prefix`. */
export function linesOf (settings: Settings, prefix: string): SettingLine[] {
  return Object.entries(settings).map(([name, { reader, default: value, meaning }]) => {
    return { name: prefix + name, kind: reader.kind, default: value === undefined ? 'required' : typeof value === 'string' && value !== '' ? value : JSON.stringify(value), meaning }
  })
}

/** What is wrong at one place of the file, in one line: key, value and what is expected. */
export function problemOf (path: ValuePath, value: unknown, expected: string): string {
  const key = path.length === 0 ? 'the file' : path.map((part, i) => typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${part}`).join('')
  return value === unknownKey ? `${key} is not a setting; ${expected}` : value === undefined ? `${key} is missing; expected ${expected}` : `${key} is ${showValue(value)}; expected ${expected}`
}
