import { describe, expect, test } from 'vitest'
import { contentBytes } from '../../../src/tools/content.ts'
import { seededBytes } from '../../helpers/random.ts'

describe('content of a call', () => {
  test('base64 gives the exact bytes, with or without line ends, at any size', () => {
    const bytes = seededBytes(300_001)
    const text = bytes.toString('base64')
    expect(contentBytes(text, 'base64').equals(bytes)).toBe(true)
    expect(contentBytes(`${text.slice(0, 76)}\r\n${text.slice(76)}\n`, 'base64').equals(bytes)).toBe(true)
    expect(contentBytes('', 'base64')).toHaveLength(0)
  })

  test.each(['a', 'ab', 'abc', 'ab=c', 'a-_b', 'aGk=aGk=', 'aGk', '====', 'aG k=', `${'A'.repeat(65_534)}==AAAA`])(
    'text that is not base64 is refused: %.20s',
    (text) => {
      expect(() => contentBytes(text, 'base64')).toThrow('not valid base64')
    },
  )

  test('text is UTF-8; half of a surrogate pair is refused instead of changed', () => {
    expect(contentBytes('é🦆', 'utf-8')).toEqual(Buffer.from('é🦆'))
    expect(() => contentBytes('a\ud83d', 'utf-8')).toThrow('surrogate')
  })
})
