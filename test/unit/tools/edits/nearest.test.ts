import { describe, expect, test } from 'vitest'
import { nearest } from '../../../../src/tools/edits/nearest.ts'

const FILE = [
  'import os',
  '',
  'def first():',
  '    return 1',
  '',
  'def second():',
  '\treturn 2',
  '',
  'print(second())',
  '',
].join('\n')

describe('nearest', () => {
  test('text that differs only in white space is found and the difference made visible', () => {
    expect(nearest(FILE, 'def second():\n    return 2\n')).toBe(
      [
        '6\tdef second():',
        '7\t\treturn 2',
        'Line 7 differs only in white space, from column 1 on:',
        String.raw`  file: "\treturn 2"`,
        '  old:  "    return 2"',
      ].join('\n'),
    )
  })

  test('text of which one line is different is found by the others', () => {
    const piece = nearest(FILE, 'def first():\n    return 10\n\ndef second():')
    expect(piece).toContain('3\tdef first():')
    expect(piece).toContain('Line 4 differs, from column 13 on:')
  })

  test('a lone line is found by its likeness, also in the middle of a long one', () => {
    expect(nearest(FILE, 'print(secnd())')).toMatch(/^9\tprint\(second\(\)\)\nLine 9 differs, from column 10 on:/)
    const minified = `${'x=1;'.repeat(30)}function compute(a,b){return a+b}`
    expect(nearest(minified, 'function compute(a, b) { return a - b }')).toMatch(/^1\t/)
  })

  test('nothing alike is nothing', () => {
    expect(nearest(FILE, 'SELECT * FROM users WHERE id = 7')).toBeUndefined()
    expect(nearest('', 'x')).toBeUndefined()
    expect(nearest(FILE, '\n\n\n')).toBeUndefined()
  })

  test('the piece is bounded and shows no control characters', () => {
    const hostile = Array.from({ length: 500 }, (_, at) => `line ${at} \x1b[31m\u202e${'x'.repeat(5000)}`).join('\n')
    const piece = nearest(hostile, hostile.replaceAll('line', 'lime')) ?? ''
    expect(piece.length).toBeGreaterThan(100)
    expect(piece.length).toBeLessThan(5000)
    expect(piece).not.toMatch(/[\x1b\u202e]/)
  })

  test.each([
    ['many short equal lines', 'ab cd\n'.repeat(800_000), 'ab cd\n'.repeat(400).replace('ab', 'xy')],
    [
      'many different lines',
      Array.from({ length: 200_000 }, (_, at) => `key ${at} = ${at * 7}`).join('\n'),
      'kay 77 : 5',
    ],
    ['one very long line', 'ab'.repeat(2_500_000), 'ba'.repeat(1_000_000)],
  ])('takes linear time on %s', (_, text, wanted) => {
    expect(() => nearest(text, wanted)).not.toThrow()
  })
})
