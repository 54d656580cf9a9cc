import fc from 'fast-check'
import t from 'tap'
import { evaluateDocument, jsonDocuments, takeInventory, ToolError, validateManifests } from '../../src/tools/index.ts'
import { context } from './manifests.ts'

async function * piecesOf (text: string, size: number): AsyncIterable<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size)
}

async function read (text: string, size = 1000, most = 1e6): Promise<{ value: unknown, line: number }[]> {
  const found: { value: unknown, line: number }[] = []
  for await (const one of jsonDocuments(piecesOf(text, size), { most })) found.push(one)
  return found
}

t.test('documents of any layout, in pieces of any size, are read as they were written', async t => {
  const documents = fc.array(fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())), { maxLength: 4 })
  await fc.assert(fc.asyncProperty(documents, fc.integer({ min: 0, max: 3 }), fc.constantFrom('', '\n', ' \r\n\t', '\u001E', '\uFEFF'), fc.integer({ min: 1, max: 9 }), async (values, indent, between, size) => {
    const text = values.map(value => between + JSON.stringify(value, null, indent)).join('')
    t.same((await read(text, size)).map(({ value }) => value), values.map(value => JSON.parse(JSON.stringify(value))))
  }), { numRuns: 200 })
})

t.test('it tells the line on which a document begins', async t => {
  t.same((await read('\n{"a":\n1}\n\n[\n]{}', 3)).map(({ line }) => line), [2, 5, 6])
})

t.test('a document that is too long, too deep or has no end is refused', async t => {
  await t.rejects(read(`{"a": "${'x'.repeat(100)}"}`, 10, 50), { code: 'input-invalid', message: 'line 1: a document of more than 50 characters' })
  await t.rejects(read('['.repeat(501)), { code: 'input-invalid', message: /nests deeper than 500/ })
  await t.rejects(read('{}\n\n{"a": "\\"}'), { code: 'input-invalid', message: 'line 3: the document that begins here has no end' })
  await t.rejects(read('{}}'), { code: 'input-invalid', message: 'line 1: a JSON document is expected, not "}"' })
})

t.test('no text throws anything but the documented error', async t => {
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', '1', 'a', ' ', '\n', 'null', '\uD800'), { maxLength: 30 }), fc.integer({ min: 1, max: 5 }), async (parts, size) => {
    try { await read(parts.join(''), size) } catch (error) { t.ok(error instanceof ToolError && error.code === 'input-invalid') }
  }), { numRuns: 500 })
})

const hostile = fc.letrec(tie => ({
  value: fc.oneof({ depthSize: 'medium' }, fc.jsonValue(), fc.constantFrom('NetworkPolicy', 'Pod', 'Namespace', 'v1', 'networking.k8s.io/v1', '__proto__', 1e300, -1), tie('object'), fc.array(tie('value'), { maxLength: 3 })),
  object: fc.dictionary(fc.constantFrom('apiVersion', 'kind', 'metadata', 'name', 'namespace', 'labels', 'spec', 'items', 'template', 'containers', 'ports', 'podSelector', 'ingress', 'source', 'destination', 'external', 'fqdn', 'port', 'protocol', 'namespaceLabels', 'manifests', 'flows', '__proto__', 'constructor'), tie('value'), { maxKeys: 6 }),
})).value

t.test('no document throws anything but the documented error; no manifest throws at all', async t => {
  const documents = fc.oneof(hostile, fc.record({ manifests: fc.array(hostile, { maxLength: 4 }), flows: fc.array(fc.oneof(hostile, fc.record({ source: hostile, destination: hostile, port: fc.oneof(hostile, fc.constant(80)) })), { maxLength: 3 }) }))
  fc.assert(fc.property(documents, document => {
    try {
      for (const line of evaluateDocument(document, context).flows) t.type(line.allowed, 'boolean')
    } catch (error) { t.ok(error instanceof ToolError && error.code === 'input-invalid') }
  }), { numRuns: 1000 })
  fc.assert(fc.property(fc.array(hostile, { maxLength: 4 }), objects => {
    takeInventory(objects, context)
    validateManifests(objects.map(object => ({ origin: 'x:1', object })), [], context)
  }), { numRuns: 1000 })
})
