import { describe, expect, test } from 'vitest'
import { displayPath, resolvePath } from '../../../src/sandbox/paths.ts'

describe('a path is resolved', () => {
  test.each([
    ['a', '/workspace/a'],
    ['.', '/workspace'],
    ['./a//b/', '/workspace/a/b'],
    ['../etc', '/etc'],
    ['/etc/../tmp/x', '/tmp/x'],
    ['../../../..', '/'],
    ['a b\n', '/workspace/a b\n'],
    ['~/x', '/workspace/~/x'],
  ])('%j to %j', (path, resolved) => expect(resolvePath(path, '/workspace')).toBe(resolved))

  test('up to the largest name and path that Linux takes, in bytes', () => {
    expect(resolvePath('é'.repeat(127), '/w')).toBe(`/w/${'é'.repeat(127)}`)
    const longest = `/${'d/'.repeat(2047)}`.slice(0, 4095)
    expect(Buffer.byteLength(resolvePath(longest, '/w'))).toBeLessThanOrEqual(4095)
  })
})

test.each([
  ['empty', '', 'empty'],
  ['with a NUL', 'a\0b', 'NUL'],
  ['with a name of 256 bytes', 'é'.repeat(128), '255 bytes'],
  ['of more than 4095 bytes', 'd/'.repeat(2048) + 'x', '4095 bytes'],
])('a path is refused: %s', (_, path, reason) => {
  expect(() => resolvePath(path, '/workspace')).toThrow(reason)
})

test.each([
  ['/workspace', '.'],
  ['/workspace/a/b', 'a/b'],
  ['/workspaces/a', '/workspaces/a'],
  ['/etc/passwd', '/etc/passwd'],
])('%s is shown as %s', (path, shown) => expect(displayPath(path, '/workspace')).toBe(shown))
