/** Rejects with the signal's reason as soon as it fires, whatever `promise` does; the work behind `promise` goes on. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  if (signal.aborted) promise.catch(() => {}) // nobody waits for it any more: its failure is not unhandled
  signal.throwIfAborted()
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort)
  }
}

/** Passes `source` on until the signal fires, which rejects with its reason, also while the source gives nothing. */
export async function* abortableSource<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void> {
  const iterator = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await abortable(iterator.next(), signal)
      if (next.done) return
      yield next.value
    }
  } finally {
    // Lets the source go; not waited for, since one that gives nothing would never come to it.
    iterator.return?.(undefined).catch(() => {})
  }
}
