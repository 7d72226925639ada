import { expect, test } from 'vitest'
import { ERROR_CODES, type ErrorCode } from '../../../src/errors/codes.ts'
import { isSandboxError, SandboxError } from '../../../src/errors/sandbox-error.ts'

const CODES = Object.keys(ERROR_CODES) as ErrorCode[]

test.each(CODES)('%s says what to do, in one sentence or more', (code) => {
  const { hint, httpStatus, exitCode } = ERROR_CODES[code]
  expect(hint).toMatch(/^[A-Z].*\.$/)
  expect(httpStatus).toBeGreaterThanOrEqual(400)
  expect(httpStatus).toBeLessThan(600)
  expect(exitCode).toBeGreaterThan(0)
  expect(exitCode).toBeLessThan(256)
})

test('an error takes the hint of its code, unless it has a better one', () => {
  expect(new SandboxError('not_found', 'x').hint).toBe(ERROR_CODES.not_found.hint)
  expect(new SandboxError('not_found', 'x', { hint: 'y' }).hint).toBe('y')
  expect(new SandboxError('not_found', 'x').facts).toBe(ERROR_CODES.not_found)
})

test('an error keeps its cause and details, and has none of its own', () => {
  const cause = new Error('below')
  expect(new SandboxError('internal', 'x', { cause, details: { a: 1 } })).toMatchObject({ cause, details: { a: 1 } })
  expect('cause' in new SandboxError('internal', 'x')).toBe(false)
})

test('an error is told from others, by code', () => {
  const error = new SandboxError('not_found', 'x')
  expect(isSandboxError(error)).toBe(true)
  expect(isSandboxError(error, 'not_found')).toBe(true)
  expect(isSandboxError(error, 'internal')).toBe(false)
  expect(isSandboxError(new Error('x'))).toBe(false)
})
