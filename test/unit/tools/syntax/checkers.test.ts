import { describe, expect, test } from 'vitest'
import { bash, javascript, python, typeScriptCompiler } from '../../../../src/tools/syntax/checkers.ts'

const end = (more: { exitCode?: number; stdout?: string; stderr?: string }) => ({
  exitCode: 0,
  stdout: '',
  stderr: '',
  ...more,
})

describe('what a checker said', () => {
  test.each([
    ['[3, 5, "invalid syntax"]', { line: 3, column: 5, message: 'invalid syntax' }],
    ['[null, null, "ValueError: x"]', { message: 'ValueError: x' }],
    ['[0, -1, "x"]', { message: 'x' }],
    ['["1", {}, ["a"]]', { message: 'a' }],
    ['null', undefined],
    ['', 'unknown'],
    ['{"valid": true}', 'unknown'],
  ])('of Python by %j', (stdout, verdict) => {
    expect(python.verdict(end({ stdout }), '/a')).toEqual(verdict)
  })

  test('a Python that was killed gives no verdict', () => {
    expect(python.verdict({ exitCode: undefined, stdout: 'null', stderr: '' }, '/a')).toBe('unknown')
  })

  test.each([
    [
      'input:4\nlet x: = 3\n       ^\n\nSyntaxError: Unexpected token\n    at x',
      { line: 4, column: 8, message: 'Unexpected token' },
    ],
    ['input:4\nenum E {A}\nlet x: = 3\n       ^\n\nSyntaxError [ERR_X]: bad\n', { line: 4, column: 8, message: 'bad' }],
    ['input:1\nSyntaxError: fake\n^^\n\nSyntaxError: real\n', { line: 1, column: 1, message: 'real' }],
    ['SyntaxError: x', 'unknown'],
    ['/bin/node: bad option', 'unknown'],
  ])('of node by %j', (stderr, verdict) => {
    expect(javascript.verdict(end({ exitCode: 1, stderr }), '/a')).toEqual(verdict)
  })

  test.each([
    [
      'a.ts(4,8): error TS1110: Type expected.\na.ts(9,1): error TS1005: x',
      2,
      { line: 4, column: 8, message: 'Type expected.' },
    ],
    ["error TS2318: Cannot find global type 'Array'.\na.ts(1,1): error TS2304: Cannot find name 'x'.", 2, undefined],
    ["error TS5023: Unknown compiler option '--x'.", 1, 'unknown'],
    ['', 0, undefined],
  ])('of the TypeScript compiler by %j', (stdout, exitCode, verdict) => {
    expect(typeScriptCompiler.verdict(end({ exitCode, stdout }), '/a.ts')).toEqual(verdict)
  })

  test.each([
    ['/a\nline 7: b.sh', "line 3: syntax error near unexpected token `fi'"],
    ['/a.sh', "line 3: syntax error near unexpected token `fi'"],
  ])('of bash for the path %j', (path, complaint) => {
    const stderr = `${path}: line 1: warning: here-document\n${path}: ${complaint}\n${path}: line 3: \`fi'\n`
    expect(bash.verdict(end({ exitCode: 2, stderr }), path)).toEqual({
      line: 3,
      message: "syntax error near unexpected token `fi'",
    })
  })

  test('bash warnings about valid code are no fault', () => {
    expect(bash.verdict(end({ stderr: '/a: line 1: warning: here-document' }), '/a')).toBeUndefined()
  })

  test('a message is bounded and shows no control characters', () => {
    const verdict = python.verdict(end({ stdout: JSON.stringify([1, 1, `\x1b[31m\u202e${'x'.repeat(5000)}`]) }), '/a')
    expect(JSON.stringify(verdict).length).toBeLessThan(500)
    expect(JSON.stringify(verdict)).not.toMatch(/u001b|\u202e/)
  })
})
