/** Asks an agent's admin server, within bounds of time and size. */

/** What keeps an agent from being asked. */
export class AgentError extends Error {
  override readonly name = 'AgentError'
  readonly code = 'agent-unreachable'
}

const timeoutMs = 10_000
const mostBytes = 64 * 1024 * 1024

/** Throws AgentError for everything but an answer of 200 with JSON. Redirects are not followed. */
export async function fetchJson (url: string): Promise<unknown> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error', headers: { accept: 'application/json' } })
    if (response.status !== 200 || response.body === null) throw new Error(`answers ${response.status}`)
    return JSON.parse(await bounded(response.body)) as unknown
  } catch (error) {
    throw new AgentError(`${url}: cannot be asked`, { cause: error })
  }
}

async function bounded (body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > mostBytes) throw new Error(`answers more than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
