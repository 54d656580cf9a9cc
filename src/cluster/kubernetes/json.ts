/** Reading objects of the API server: a value that is not what it should be reads as empty, never as something else. */

export type Json = Readonly<Record<string, unknown>>

/** The value at the end of `keys`; `undefined` where the way there is not one of maps. */
export function valueAt (value: unknown, ...keys: readonly string[]): unknown {
  let at = value
  for (const key of keys) {
    if (!isMap(at) || !Object.hasOwn(at, key)) return undefined
    at = at[key]
  }
  return at
}

/** The text there; empty where there is none. */
export function textAt (value: unknown, ...keys: readonly string[]): string {
  const found = valueAt(value, ...keys)
  return typeof found === 'string' ? found : ''
}

export function listAt (value: unknown, ...keys: readonly string[]): readonly unknown[] {
  const found = valueAt(value, ...keys)
  return Array.isArray(found) ? found : []
}

/** The texts of a map of texts, sorted by key, so that equal maps look equal. */
export function textsAt (value: unknown, ...keys: readonly string[]): Readonly<Record<string, string>> {
  const found = valueAt(value, ...keys)
  if (!isMap(found)) return {}
  const texts = Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return Object.fromEntries(texts.sort(([a], [b]) => a < b ? -1 : 1))
}

export function isMap (value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
