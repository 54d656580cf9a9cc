/** What `done` resolves with; rejects with the reason of `signal` when that aborts first. Nobody listens to the signal afterwards. */
export async function before<T> (done: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const listener = (): void => { reject(signal.reason) }
  if (signal.aborted) listener()
  signal.addEventListener('abort', listener, { once: true })
  try {
    return await Promise.race([aborted, done]) // whichever loses may reject unheard
  } finally {
    signal.removeEventListener('abort', listener)
  }
}
