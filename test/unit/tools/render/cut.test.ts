import { describe, expect, test } from 'vitest'
import { cutHead, cutTail, lastLines } from '../../../../src/tools/render/cut.ts'

const text = (bytes: Buffer) => bytes.toString()

describe('cutting output', () => {
  test('a head ends with a whole line', () => {
    expect(text(cutHead(Buffer.from('one\ntwo\nthree'), 10))).toBe('one\ntwo\n')
  })

  test('a tail begins with a whole line', () => {
    expect(text(cutTail(Buffer.from('one two\nthree four five\nsix'), 22))).toBe('three four five\nsix'.slice(-22))
    expect(text(cutTail(Buffer.from('aaaa\nbbbb\ncccc\n'), 12))).toBe('bbbb\ncccc\n')
  })

  test('a line longer than half of the piece is cut inside, never inside a character', () => {
    expect(text(cutHead(Buffer.from('é'.repeat(10)), 5))).toBe('éé')
    expect(text(cutTail(Buffer.from('é'.repeat(10)), 5))).toBe('éé')
  })

  test('the last lines are counted with or without a final newline', () => {
    expect(text(lastLines(Buffer.from('a\nb\nc\n'), 2))).toBe('b\nc\n')
    expect(text(lastLines(Buffer.from('a\nb\nc'), 2))).toBe('b\nc')
    expect(text(lastLines(Buffer.from('a\nb'), 5))).toBe('a\nb')
    expect(text(lastLines(Buffer.from('\n\n\n'), 1))).toBe('\n')
    expect(text(lastLines(Buffer.from(''), 1))).toBe('')
  })
})
