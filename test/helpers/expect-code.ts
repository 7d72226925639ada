import { expect } from 'vitest'
import type { ErrorCode } from '../../src/errors/codes.ts'
import { SandboxError } from '../../src/errors/sandbox-error.ts'

/** Asserts that a value, or what a promise is rejected with, is a SandboxError of this code, and gives it back. */
export async function expectCode(failure: unknown, code: ErrorCode): Promise<SandboxError> {
  const error: unknown =
    failure instanceof Promise
      ? await failure.then(
          (value: unknown) => expect.fail(`expected ${code}, but it succeeded with ${JSON.stringify(value)}`),
          (reason: unknown) => reason,
        )
      : failure
  expect(error).toBeInstanceOf(SandboxError)
  const sandboxError = error as SandboxError
  expect(sandboxError.code, sandboxError.message).toBe(code)
  return sandboxError
}
