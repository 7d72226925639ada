import { describe, expect, test } from 'vitest'
import { ERROR_CODES, type ErrorCode } from '../../../src/errors/codes.ts'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { commandFault, fileFault } from '../../../src/sandbox/wire-faults.ts'
import { ConnectionLost, WireError } from '../../../src/supervisor/errors.ts'
import { WIRE_ERRORS, type WireErrorName } from '../../../src/supervisor/protocol.ts'

const ALL = Object.values(WIRE_ERRORS)

const OF_FILES: Partial<Record<WireErrorName, ErrorCode>> = {
  not_found: 'not_found',
  exists: 'already_exists',
  is_directory: 'is_directory',
  not_a_directory: 'not_found',
  not_regular: 'not_a_file',
  permission: 'permission_denied',
  read_only: 'permission_denied',
  no_space: 'disk_full',
  too_large: 'too_large',
  stale_version: 'stale_version',
  loop: 'invalid_argument',
  name_too_long: 'invalid_argument',
  busy: 'permission_denied',
  not_empty: 'already_exists',
  resources: 'sandbox_limit',
  quiescing: 'sandbox_starting',
}
const OF_COMMANDS: Partial<Record<WireErrorName, ErrorCode>> = {
  no_space: 'disk_full',
  no_command: 'not_found',
  no_shell: 'image_unavailable',
  not_found: 'not_found',
  permission: 'permission_denied',
  exec_failed: 'invalid_argument',
  bad_cwd: 'not_found',
  resources: 'sandbox_limit',
  too_many: 'sandbox_limit',
  args_too_long: 'too_large',
  stdin_closed: 'invalid_argument',
  stdin_full: 'sandbox_limit',
  expired: 'not_found',
  quiescing: 'sandbox_starting',
}

function typed(error: unknown): SandboxError {
  if (error instanceof SandboxError) return error
  throw new Error('not typed', { cause: error })
}

describe('every wire error becomes a typed one', () => {
  test.each(ALL)('%s of a file', (name) => {
    const error = typed(fileFault(new WireError(name, 0), 'dir/file'))
    expect(error.code).toBe(OF_FILES[name] ?? 'internal')
    expect(error.code === 'internal' ? error.message : name).toContain(name)
    expect(error.hint).toMatch(/\.$/)
    expect(error.cause).toBeInstanceOf(WireError)
  })

  test.each(ALL)('%s of a command', (name) => {
    const error = typed(commandFault(new WireError(name, 0), 'abc-1'))
    expect(error.code).toBe(OF_COMMANDS[name] ?? 'internal')
    // The hints of codes that files share speak of files.
    const hasGeneralHint = error.hint === ERROR_CODES[error.code].hint
    expect(hasGeneralHint).toBe(['internal', 'sandbox_starting', 'permission_denied'].includes(error.code))
  })
})

test('the path is shown on one line, with nothing hidden', () => {
  expect(typed(fileFault(new WireError('not_found', 2), 'a\nb\x1b[2Jc\u202ed')).message).toBe(
    'a\\nbc\\u{202e}d does not exist.',
  )
})

test('the errno goes to the log by its name', () => {
  expect(typed(fileFault(new WireError('no_space', 28), 'x')).details).toEqual({ errno: 'ENOSPC' })
  expect(typed(fileFault(new WireError('io', 999), 'x')).details).toEqual({ errno: '999' })
})

test('other errors pass as they are', () => {
  for (const error of [new ConnectionLost('x'), new SandboxError('internal', 'x'), new Error('x')]) {
    expect(fileFault(error, 'x')).toBe(error)
    expect(commandFault(error, 'x')).toBe(error)
  }
})
