/** What `done` resolves with; rejects with the reason of `signal` when that aborts first. Nobody listens to the signal afterwards. */
export async function before<T> (done: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const listener = (): void => { reject(signal.reason) }
  signal.addEventListener('abort', listener, { once: true })
  try {
    return await Promise.race([done, aborted])
  } finally {
    signal.removeEventListener('abort', listener)
  }
}
