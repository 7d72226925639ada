import { describe, expect, test } from 'vitest'
import { firstCharacter, wholeCharacters } from '../../../src/lib/utf8.ts'

const CHARACTERS = ['a', 'é', '€', '😀']

describe('the whole characters of a piece', () => {
  test.each(CHARACTERS)('leave out %s when it is cut anywhere', (character) => {
    const bytes = Buffer.from(`x${character}`)
    for (let cut = 1; cut < bytes.length; cut++) expect(wholeCharacters(bytes.subarray(0, cut)), `cut ${cut}`).toBe(1)
    expect(wholeCharacters(bytes)).toBe(bytes.length)
  })

  test('are none in no bytes', () => expect(wholeCharacters(new Uint8Array(0))).toBe(0))

  test.each([
    ['continuation bytes without a start', [0x61, 0x80, 0x80, 0x80, 0x80]],
    ['a start with too many continuations', [0xc3, 0xa9, 0xa9]],
    ['a byte that starts nothing', [0x61, 0x80]],
  ])('count invalid bytes as whole: %s', (_, bytes) => {
    expect(wholeCharacters(Uint8Array.from(bytes))).toBe(bytes.length)
  })
})

describe('the first character of a piece', () => {
  test.each(CHARACTERS)('comes after the rest of %s', (character) => {
    const bytes = Buffer.from(`${character}x`)
    const size = bytes.length - 1
    for (let cut = 1; cut <= size; cut++) expect(firstCharacter(bytes.subarray(cut)), `cut ${cut}`).toBe(size - cut)
    expect(firstCharacter(bytes)).toBe(0)
  })

  test('is looked for in three bytes at most', () => {
    expect(firstCharacter(Buffer.alloc(10, 0x80))).toBe(3)
    expect(firstCharacter(Buffer.alloc(2, 0x80))).toBe(2)
    expect(firstCharacter(new Uint8Array(0))).toBe(0)
  })
})
