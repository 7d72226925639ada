import { describe, expect, test } from 'vitest'
import { parsePattern } from '../../../../src/tools/search/pattern.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

describe('a search pattern', () => {
  test.each([
    ['a.c', true, false, 'xabc', [1, 4]],
    ['a.c', false, false, 'abc a.c', [4, 7]],
    ['A.C', false, true, 'abc a.c', [4, 7]],
    ['É', true, true, 'xé', [1, 2]],
    ['-x', true, false, 'a -x', [2, 4]],
    ['b', false, false, 'a', undefined],
  ] as const)('%j (regex %s, ignore case %s) in %j is found at %j', (source, isRegex, ignoreCase, text, place) => {
    expect(parsePattern(source, isRegex, ignoreCase).find(text)).toEqual(place)
  })

  test.each([
    ['(', /missing closing \)/],
    ['a(?=b)', /invalid or unsupported Perl syntax/],
    [String.raw`(a)\1`, /invalid escape sequence/],
    ['', /1 to 1000 characters/],
    ['a'.repeat(1001), /1 to 1000 characters/],
    ['a\nb', /within one line/],
  ])('pattern %# is refused with the reason', async (source, reason) => {
    const refused = Promise.resolve().then(() => parsePattern(source, true, false))
    const { message } = await expectCode(refused, 'invalid_argument')
    expect(message).toMatch(reason)
  })

  test('a plain text is never an invalid pattern', () => {
    expect(parsePattern('(*)[', false, true).find('x(*)[')).toEqual([1, 5])
  })
})
