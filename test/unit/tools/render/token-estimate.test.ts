import { encode as cl100k } from 'gpt-tokenizer/encoding/cl100k_base'
import { encode as o200k } from 'gpt-tokenizer/encoding/o200k_base'
import { describe, expect, test } from 'vitest'
import { visibleText } from '../../../../src/lib/visible-text.ts'
import { estimateTokens, fitsTokens } from '../../../../src/tools/render/token-estimate.ts'
import { seededBytes } from '../../../helpers/random.ts'

const SIZE = 4000

function drawn(characters: string): string {
  const all = Array.from(characters)
  return Array.from(seededBytes(SIZE), (byte) => all[byte % all.length]).join('')
}

const TEXTS: Readonly<Record<string, string>> = {
  prose: 'The quick brown fox jumps over the lazy dog, and nobody minds. '.repeat(100),
  code: 'export function parse(text: string): Result<Tree> {\n  return walk(text, 0)\n}\n'.repeat(100),
  json: JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, name: `item-${id}`, on: true }))),
  base64: seededBytes(SIZE).toString('base64'),
  hex: seededBytes(SIZE).toString('hex'),
  digits: drawn('0123456789'),
  'random letters': drawn('abcdefghijklmnopqrstuvwxyz'),
  punctuation: drawn('!@#$%^&*()_+-=[]{}|;:,.<>/?'),
  'binary garbage': visibleText(seededBytes(SIZE)),
  'bell characters': visibleText(Buffer.alloc(SIZE, 7)),
  Chinese: drawn('的一是不了人我在有他这为之大来以个中上们'),
  Cyrillic: drawn('абвгдежзийклмнопрст'),
  'rare scripts': drawn('ꆈꌠꁱꂷༀ༁༂༃ऄअआइ'),
  emoji: drawn('😀😃🚀🌈🫠🪿'),
}

describe('the estimate of tokens', () => {
  test.each(Object.keys(TEXTS))('is not below the real count for %s, nor wildly above it', (name) => {
    const text = TEXTS[name] ?? ''
    const real = Math.max(o200k(text).length, cl100k(text).length)
    const estimate = estimateTokens(text)
    expect(estimate).toBeGreaterThanOrEqual(real * 0.98)
    expect(estimate).toBeLessThan(real * 3)
  })

  test('lets short text pass and refuses text that is too long', () => {
    expect(fitsTokens('a', 10)).toBe(true)
    expect(fitsTokens(drawn('的一是不了人'), 1000)).toBe(false)
  })
})
