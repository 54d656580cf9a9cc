import { createServer } from 'node:http'
import t from 'tap'
import { fetchJson } from '../../src/cli/tools/fetch-json.ts'
import { messageOf } from '../../src/lib/error.ts'
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

/** An answer without end. */
function tooMuch (response: ServerResponse): void {
  const zeros = Buffer.alloc(1 << 20)
  const more = (): void => { while (!response.destroyed && response.write(zeros)); }
  response.on('drain', more)
  more()
}

for (const [what, answer, message] of [
  ['another status', (response: ServerResponse) => { response.writeHead(404).end('{}') }, /facts: cannot be asked: answers 404$/],
  ['no JSON', (response: ServerResponse) => { response.end('<html>') }, /facts: cannot be asked: .*JSON/],
  ['another place', (response: ServerResponse) => { response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end() }, /facts: /],
  ['more than fits', (response: ServerResponse) => { tooMuch(response) }, /facts: cannot be asked: answers more than 67108864 bytes$/],
  ['an end too early', (response: ServerResponse) => { response.writeHead(200, { 'content-length': 10 }); response.write('{'); response.destroy() }, /facts: /],
] as const) {
  t.test(`an agent that cannot be asked: ${what}`, async t => {
    const error = await fetchJson(await serve(t, answer)).then(() => undefined, (error: unknown) => error)
    t.match(error, { code: 'agent-unreachable' })
    t.match(messageOf(error), message)
  })
}

t.test('nobody there', async t => {
  await t.rejects(fetchJson('http://127.0.0.1:1/facts'), { code: 'agent-unreachable' })
})
