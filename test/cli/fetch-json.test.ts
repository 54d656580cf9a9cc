import { createServer } from 'node:http'
import t from 'tap'
import { fetchJson } from '../../src/cli/tools/fetch-json.ts'
import type { ServerResponse } from 'node:http'
import type { Test } from 'tap'

async function serve (t: Test, answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((_, response) => { answer(response) })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port ?? 0 : 0}/facts`
}

t.test('the JSON of an agent', async t => {
  t.same(await fetchJson(await serve(t, response => { response.end('{"cluster": "east"}') })), { cluster: 'east' })
})

for (const [what, answer, message] of [
  ['another status', (response: ServerResponse) => { response.writeHead(404).end('{}') }, /facts: answers 404$/],
  ['no JSON', (response: ServerResponse) => { response.end('<html>') }, /facts: .*JSON/],
  ['another place', (response: ServerResponse) => { response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end() }, /facts: /],
  ['an end too early', (response: ServerResponse) => { response.writeHead(200, { 'content-length': 10 }); response.write('{'); response.destroy() }, /facts: /],
] as const) {
  t.test(`an agent that cannot be asked: ${what}`, async t => {
    await t.rejects(fetchJson(await serve(t, answer)), { code: 'agent-unreachable', message })
  })
}

t.test('nobody there', async t => {
  await t.rejects(fetchJson('http://127.0.0.1:1/facts'), { code: 'agent-unreachable' })
})
