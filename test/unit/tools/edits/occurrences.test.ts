import { describe, expect, test } from 'vitest'
import { CRLF_MARK, occurrences } from '../../../../src/tools/edits/occurrences.ts'
import { seededBytes } from '../../../helpers/random.ts'

/** The plain way to find all, as a check. */
function expected(text: string, needle: string, overlapping: boolean): number[] {
  const found: number[] = []
  for (let at = text.indexOf(needle); at >= 0;) {
    found.push(at)
    at = text.indexOf(needle, at + (overlapping ? 1 : needle.length))
  }
  return found
}

describe('occurrences', () => {
  test.each([true, false])('finds what indexOf finds in texts of few letters (overlapping %s)', (overlapping) => {
    const letters = [...seededBytes(4000)].map((byte) => 'aab'[byte % 3]).join('')
    for (let length = 1; length < 12; length++) {
      for (let start = 0; start < 40; start++) {
        const needle = letters.slice(start, start + length)
        expect(occurrences(letters, needle, overlapping)).toEqual(expected(letters, needle, overlapping))
      }
    }
  })

  test('a line feed matches the mark of CR LF as well', () => {
    expect(occurrences(`a${CRLF_MARK}b\nc`, 'a\nb\nc', false)).toEqual([0])
    expect(occurrences(`x${CRLF_MARK}${CRLF_MARK}y`, '\n', false)).toEqual([1, 2])
  })

  test('a needle that nearly matches everywhere takes no quadratic time', () => {
    const half = 'a'.repeat(100_000)
    expect(occurrences('a'.repeat(5_000_000), `${half}b${half}`, true)).toEqual([])
  })
})
