import { describe, expect, test } from 'vitest'
import { entityTag, isNotModified, lastModified, pinned, rangeHolds } from '../../../../src/http/files/conditions.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

const MTIME = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
/** With a text form, as the names of tests are made from it. */
const FILE = { toJSON: () => 'a file', version: 1295n, mtimeMs: MTIME }
const TAG = '"zz"'
const BEFORE = 'Fri, 02 Jan 2026 03:04:04 GMT'
const AT = 'Fri, 02 Jan 2026 03:04:05 GMT'

test('tag and date of a file', () => {
  expect(entityTag(FILE.version)).toBe(TAG)
  expect(lastModified(MTIME)).toBe(AT)
  expect(lastModified(Number.MAX_VALUE)).toBe('Thu, 01 Jan 1970 00:00:00 GMT')
})

describe('the conditions of a read', () => {
  test.each([
    [{}, false],
    [{ 'if-none-match': TAG }, true],
    [{ 'if-none-match': `W/${TAG}` }, true],
    [{ 'if-none-match': `"a, b", ${TAG}` }, true],
    [{ 'if-none-match': '*' }, true],
    [{ 'if-none-match': '"zzz"' }, false],
    [{ 'if-none-match': 'zz' }, false],
    [{ 'if-modified-since': AT }, true],
    [{ 'if-modified-since': BEFORE }, false],
    [{ 'if-modified-since': 'yesterday' }, false],
    // The tag decides alone where there is one.
    [{ 'if-none-match': '"other"', 'if-modified-since': AT }, false],
    [{ 'if-match': TAG }, false],
    [{ 'if-match': '*', 'if-none-match': TAG }, true],
    [{ 'if-unmodified-since': AT }, false],
    [{ 'if-match': TAG, 'if-unmodified-since': BEFORE }, false],
  ])('%j: not modified is %s', (headers, expected) => {
    expect(isNotModified(headers, true, FILE)).toBe(expected)
  })

  test.each([
    { 'if-match': '"other"' },
    { 'if-match': `W/${TAG}` },
    { 'if-match': '"z", "zzz"' },
    { 'if-unmodified-since': BEFORE },
  ])('%j does not hold', async (headers) => {
    await expectCode(
      Promise.resolve().then(() => isNotModified(headers, true, FILE)),
      'stale_version',
    )
  })
})

describe('the conditions of a write are held to its end', () => {
  test.each([
    [{ 'if-match': TAG }, FILE],
    [{ 'if-match': '*' }, FILE],
    [{ 'if-none-match': '"other"' }, FILE],
    [{ 'if-none-match': '*' }, undefined],
    [{ 'if-none-match': TAG }, undefined],
    // Only of reads.
    [{ 'if-modified-since': AT }, FILE],
  ])('%j', (headers, present) => {
    const expected = present ? { mode: 'overwrite', ifVersion: present.version } : { mode: 'create' }
    expect(pinned(headers, present)).toEqual(expected)
  })

  test.each([
    [{ 'if-match': '*' }, undefined],
    [{ 'if-match': TAG }, undefined],
    [{ 'if-none-match': '*' }, FILE],
    [{ 'if-none-match': TAG }, FILE],
    [{ 'if-unmodified-since': AT }, undefined],
  ])('%j with %j there does not hold', async (headers, present) => {
    await expectCode(
      Promise.resolve().then(() => pinned(headers, present)),
      'stale_version',
    )
  })
})

test.each([
  [undefined, true],
  [TAG, true],
  [`W/${TAG}`, false],
  ['"other"', false],
  [AT, true],
  [BEFORE, false],
  ['soon', false],
])('If-Range: %s lets a range be one: %s', (header, expected) => {
  expect(rangeHolds(header, FILE)).toBe(expected)
})
