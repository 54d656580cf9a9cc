/** The part of OpenAPI v3 that our CRD uses, enough to tell whether an object fits the schema. CEL rules are not run. */

interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly format?: string
  readonly default?: unknown
  readonly description?: string
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string, readonly message: string }[]
}

const keywords = new Set(['type', 'properties', 'additionalProperties', 'required', 'items', 'enum', 'pattern', 'format', 'default', 'description', 'minItems', 'maxItems', 'minProperties', 'minimum', 'maximum', 'maxLength', 'x-kubernetes-int-or-string', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-validations'])

/** Paths that do not fit; unknown fields count, as with kubectl's strict validation. */
export function misfits (schema: Schema, value: unknown, path = ''): string[] {
  for (const keyword of Object.keys(schema)) if (!keywords.has(keyword)) throw new Error(`the schema uses ${keyword}, which this test does not know`)
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [path]
  if (schema['x-kubernetes-int-or-string'] === true) return Number.isInteger(value) || typeof value === 'string' ? [] : [path]
  switch (schema.type) {
    case 'string': return typeof value === 'string' && value.length <= (schema.maxLength ?? Infinity) && new RegExp(schema.pattern ?? '').test(value) ? [] : [path]
    case 'integer': return Number.isInteger(value) && Number(value) >= (schema.minimum ?? -Infinity) && Number(value) <= (schema.maximum ?? Infinity) ? [] : [path]
    case 'array': return Array.isArray(value) ? misfitsInList(schema, value, path) : [path]
    case 'object': return typeof value === 'object' && value !== null && !Array.isArray(value) ? misfitsInObject(schema, value, path) : [path]
    default: throw new Error(`${path}: no known type`)
  }
}

function misfitsInList ({ items = {}, minItems = 0, maxItems = Infinity, ...schema }: Schema, list: readonly unknown[], path: string): string[] {
  const twice = schema['x-kubernetes-list-type'] === 'set' && new Set(list).size < list.length
  if (list.length < minItems || list.length > maxItems || twice) return [path]
  return list.flatMap((item, i) => misfits(items, item, `${path}[${i}]`))
}

function misfitsInObject ({ properties = {}, additionalProperties, required = [], minProperties = 0 }: Schema, object: object, path: string): string[] {
  const entries = Object.entries(object)
  const missing = required.filter(key => !(key in object)).map(key => `${path}.${key}`)
  if (entries.length < minProperties) return [path]
  if (Object.keys(properties).length === 0 && additionalProperties === undefined) return missing
  return [...missing, ...entries.flatMap(([key, value]) => {
    const schema = properties[key] ?? additionalProperties
    return schema === undefined ? [`${path}.${key}`] : misfits(schema, value, `${path}.${key}`)
  })]
}

/** Visits every schema with its path. */
export function visit (schema: Schema, see: (schema: Schema, path: string) => void, path = ''): void {
  see(schema, path)
  for (const [key, inner] of Object.entries(schema.properties ?? {})) visit(inner, see, `${path}.${key}`)
  if (schema.items !== undefined) visit(schema.items, see, `${path}[]`)
}
