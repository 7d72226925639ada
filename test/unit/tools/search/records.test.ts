import { describe, expect, test } from 'vitest'
import { parseCounts, parseLines, parseNames } from '../../../../src/tools/search/records.ts'

const bytes = (text: string) => Buffer.from(text)

describe('output of a search', () => {
  test('a path may hold anything but NUL: line ends, separators, what looks like a record', () => {
    const path = './a\n--\n./b:7:x\x1b[31m\u202e'
    expect(parseLines(bytes(`${path}\x003:found\n--\n${path}\x005-near\n`))).toEqual([
      { path: bytes(path), line: 3, text: bytes('found'), isMatch: true },
      { path: bytes(path), line: 5, text: bytes('near'), isMatch: false },
    ])
    expect(parseCounts(bytes(`${path}\x002\n`))).toEqual([{ path: bytes(path), count: 2 }])
    expect(parseNames(bytes(`${path}\0./c\0`))).toEqual([bytes(path), bytes('./c')])
  })

  test('a line may hold anything but a line feed: NUL, colons, what looks like a record', () => {
    const text = './x\x001:y:2-z\0\r'
    expect(parseLines(bytes(`./a\x001:${text}\n./b\x002:\n`))).toEqual([
      { path: bytes('./a'), line: 1, text: bytes(text), isMatch: true },
      { path: bytes('./b'), line: 2, text: bytes(''), isMatch: true },
    ])
  })

  test('a dash in a matching line does not make it context', () => {
    expect(parseLines(bytes('./a\x001:--x-\n'))).toMatchObject([{ isMatch: true }])
  })

  test.each(['', './a', './a\x001:tex', './a\x00', '--\n', '--\n./a'])('what was cut off is left out: %j', (rest) => {
    expect(parseLines(bytes(`./w\x001:whole\n${rest}`))).toHaveLength(1)
    expect(parseCounts(bytes(`./w\x001\n${rest.slice(0, 4)}`))).toHaveLength(1)
  })

  test('files without a match are no result', () => {
    expect(parseCounts(bytes('./a\x000\n./b\x003\n'))).toEqual([{ path: bytes('./b'), count: 3 }])
  })
})
