import { describe, expect, test } from 'vitest'
import { TailBuffer } from '../../../../src/engine/docker/tail-buffer.ts'

describe('the tail buffer', () => {
  test.each([
    ['less than it holds', ['ab', 'cd'], 'abcd'],
    ['exactly what it holds', ['abcd', 'efgh'], 'abcdefgh'],
    ['more in small pieces', ['abcd', 'efgh', 'ij'], 'cdefghij'],
    ['more in one piece', ['x', 'abcdefghijkl'], 'efghijkl'],
    ['nothing', [], ''],
  ])('keeps the last bytes of %s', (_, pieces, expected) => {
    const tail = new TailBuffer(8)
    for (const piece of pieces) tail.push(Buffer.from(piece))
    expect(tail.toString()).toBe(expected)
  })

  test('makes a letter that was cut a replacement character', () => {
    const tail = new TailBuffer(3)
    tail.push(Buffer.from('aéé'))
    expect(tail.toString()).toBe('\uFFFDé')
  })
})
