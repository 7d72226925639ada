import { describe, expect, test } from 'vitest'
import { parseArguments } from '../../../src/tools/parse-arguments.ts'
import { runCode } from '../../../src/tools/run-code.ts'
import { sandboxInfo } from '../../../src/tools/sandbox-info.ts'
import { shellExec } from '../../../src/tools/shell-exec.ts'
import { upload } from '../../../src/tools/upload.ts'
import { expectCode } from '../../helpers/expect-code.ts'

function failure(args: unknown): unknown {
  try {
    return parseArguments(shellExec, args)
  } catch (error) {
    return error
  }
}

describe('checking arguments', () => {
  test('defaults are filled in', () => {
    expect(parseArguments(shellExec, { command: 'ls' })).toEqual({
      command: 'ls',
      wait_s: 45,
      max_output_bytes: 16_384,
    })
  })

  test('an unknown parameter is an error that names the known ones', async () => {
    const { message } = await expectCode(failure({ command: 'ls', timeout: 3 }), 'invalid_argument')
    expect(message).toBe(
      'Unknown parameter timeout: it takes command, cwd, timeout_s, wait_s, stdin, env, max_output_bytes.',
    )
  })

  test('a missing parameter is named with its type', async () => {
    const { message, hint } = await expectCode(failure(undefined), 'invalid_argument')
    expect(message).toBe('command is missing: give a value of type string.')
    expect(hint).toBe('Correct it and call shell_exec again.')
  })

  test.each([
    [{ command: 1 }, 'command must be of type string.'],
    [{ command: 'a', wait_s: '5' }, 'wait_s must be of type number.'],
    [{ command: 'a', wait_s: 1.5 }, 'wait_s must be of type integer.'],
    [{ command: 'a', wait_s: 51 }, 'wait_s must be at most 50.'],
    [{ command: 'a', max_output_bytes: 10 }, 'max_output_bytes must be at least 1024.'],
    [{ command: 'a', env: { A: 1 } }, 'env.A must be of type string.'],
    [[], 'The arguments must be of type object.'],
  ])('%j is refused with what is right', async (args, expected) => {
    expect((await expectCode(failure(args), 'invalid_argument')).message).toBe(expected)
  })

  test('a wrong choice names the choices', () => {
    expect(() => parseArguments(upload, { path: 'a', content: '', extract: 'rar' })).toThrow(
      'extract must be one of tar, tar.gz, zip.',
    )
    expect(() => parseArguments(upload, { path: 'a', content: '', sha256: 'x' })).toThrow(
      'sha256: give 64 hexadecimal digits.',
    )
  })

  test('a missing choice is named with the choices, and a tool without parameters says that it takes none', () => {
    expect(() => parseArguments(runCode, { code: '1' })).toThrow(
      'language is missing: give one of python, javascript, typescript, bash.',
    )
    expect(() => parseArguments(sandboxInfo, { verbose: true })).toThrow('Unknown parameter verbose: it takes none.')
  })

  test('a hostile name in the arguments is escaped and bounded in the message', async () => {
    const { message } = await expectCode(
      failure({ command: 'a', [`\x1b[31m\n${'x'.repeat(500)}`]: 1 }),
      'invalid_argument',
    )
    expect(message).not.toMatch(/[\x1b\n]/)
    expect(message.length).toBeLessThan(250)
  })
})
