import { describe, expect, test } from 'vitest'
import { safeName } from '../../../../src/http/files/multipart-name.ts'

describe('the name of an uploaded file', () => {
  test.each([
    ['a.txt', 'a.txt'],
    ['é 🙂.txt', 'é 🙂.txt'],
    ['../../etc/passwd', 'passwd'],
    ['/etc/cron.d/evil', 'evil'],
    ['C:\\Windows\\x.dll', 'x.dll'],
    ['..\\..\\x', 'x'],
    ['dir/sub/x', 'x'],
    ['a\0b', 'a_b'],
    ['a\r\nb', 'a__b'],
    ['\x1b[31mred', '_[31mred'],
    ['-rf', '-rf'],
    ['.bashrc', '.bashrc'],
    ['  x  ', 'x'],
    ['a\ud800b', 'a_b'],
  ])('%j becomes %j', (given, expected) => {
    expect(safeName(given)).toBe(expected)
  })

  test.each([undefined, '', '.', '..', '/', 'a/', 'a/..', '\\', '   '])('%j leaves none', (given) => {
    expect(safeName(given)).toBeUndefined()
  })

  test('a long one is cut between characters and keeps its extension', () => {
    const name = safeName(`${'é'.repeat(300)}.tar`) ?? ''
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255)
    expect(name).toMatch(/^é{120,}\.tar$/)
  })
})
