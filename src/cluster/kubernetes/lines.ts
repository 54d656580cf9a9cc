/** A stream of bytes as lines of text. */

/** An object is at most 1.5 MiB in etcd; as JSON, with all that is told beside it, this is far more than enough. */
const mostLineBytes = 16 * 1024 * 1024

/** Lines without their end; what comes after the last line end is dropped: it is cut. Throws RangeError on a line that is too long. */
export async function * linesOf (stream: AsyncIterable<unknown>): AsyncGenerator<string, void> {
  let parts: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a stream of bytes is expected')
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = Buffer.concat([...parts, rest.subarray(0, end)]).toString()
      parts = []
      length = 0
      rest = rest.subarray(end + 1)
      if (line !== '') yield line
    }
    parts.push(rest)
    length += rest.length
    if (length > mostLineBytes) throw new RangeError(`a line longer than ${mostLineBytes} bytes`)
  }
}
