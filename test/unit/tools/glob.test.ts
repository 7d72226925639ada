import { describe, expect, test } from 'vitest'
import { globDepth, globPatterns } from '../../../src/tools/glob.ts'

describe('globs', () => {
  test('braces are expanded, the rest is passed on', () => {
    expect(globPatterns('src/**/*.{ts,js}')).toEqual(['src/**/*.ts', 'src/**/*.js'])
    expect(globPatterns('./*.[ch]')).toEqual(['*.[ch]'])
  })

  test('braces that multiply are refused at once', () => {
    expect(() => globPatterns('{a,b}'.repeat(30))).toThrow('more than 64 patterns')
    expect(() => globPatterns('{1..1000000}')).toThrow('more than 64 patterns')
    expect(() => globPatterns('{'.repeat(900))).not.toThrow()
  })

  test('an empty, long or NUL-holding glob is refused', () => {
    for (const glob of ['', 'x'.repeat(1001), 'a\0b']) expect(() => globPatterns(glob)).toThrow('glob: give 1 to 1000')
  })

  test('the walk is as deep as the glob needs', () => {
    expect(globDepth([])).toBe(1)
    expect(globDepth(['*.ts'])).toBe(1)
    expect(globDepth(['a/b/*.ts', '*'])).toBe(3)
    expect(globDepth(['**/*.ts'])).toBe(64)
  })
})
