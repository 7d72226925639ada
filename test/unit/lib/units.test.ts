import { describe, expect, test } from 'vitest'
import { counted, formatBytes, formatDuration, parseBytes, parseDuration } from '../../../src/lib/units.ts'

test.each([
  ['1048576', 1_048_576],
  ['0', 0],
  ['1k', 1024],
  ['1KB', 1024],
  ['1KiB', 1024],
  ['512MiB', 512 * 1024 ** 2],
  ['512m', 512 * 1024 ** 2],
  ['1.5g', 1.5 * 1024 ** 3],
  ['2 TiB', 2 * 1024 ** 4],
  [' 7b ', 7],
])('the size %j is %i bytes', (text, bytes) => expect(parseBytes(text)).toBe(bytes))

test.each(['', 'm', '-1', '1.m', '1e3', '0x10', '5 parsecs', '1,5g', '1k 2k', 'NaN'])('%j is no size', (text) => {
  expect(parseBytes(text)).toBeUndefined()
})

test.each([
  ['45', 45_000],
  ['45s', 45_000],
  ['250ms', 250],
  ['30m', 1_800_000],
  ['1.5h', 5_400_000],
  ['1D', 86_400_000],
  ['0', 0],
])('the duration %j is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms))

test.each(['', 's', '-1s', '1w', '1 m 30 s', 'Infinity'])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined()
})

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [512 * 1024 ** 2, '512 MiB'],
  [1024 ** 2 - 1, '1 MiB'],
  [3 * 1024 ** 5, '3072 TiB'],
])('%i bytes are shown as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

test.each([
  [0, '0 files'],
  [1, '1 file'],
  [1200, '1,200 files'],
])('%d things are counted as %s', (count, text) => expect(counted(count, 'file')).toBe(text))

describe('durations are shown in the unit that fits', () => {
  test.each([
    [0, '0 ms'],
    [1.24, '1.2 ms'],
    [12.4, '12 ms'],
    [999, '999 ms'],
    [999.7, '1 s'],
    [1234, '1.2 s'],
    [59_940, '59.9 s'],
    [59_970, '1 min'],
    [60_000, '1 min'],
    [90_000, '1 min 30 s'],
    [3_600_000, '1 h'],
    [3_661_000, '1 h 1 min 1 s'],
    [3_599_999, '1 h'],
  ])('%d ms as %s', (ms, text) => expect(formatDuration(ms)).toBe(text))
})
