/** The error that a promise rejects with. Holds it from now on, so that it may fail while the test does something else. */
export function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
}
