import { describe, expect, test } from 'vitest'
import { byteRange } from '../../../../src/http/files/range.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

describe('a range of 10 bytes', () => {
  test.each([
    ['bytes=0-0', 0, 1],
    ['bytes=2-4', 2, 3],
    ['bytes=4-', 4, 6],
    ['bytes=9-9', 9, 1],
    ['bytes=5-99', 5, 5],
    ['bytes=-3', 7, 3],
    ['bytes=-10', 0, 10],
    // RFC 9110 section 14.1.3: a suffix longer than the file is the whole of it.
    ['bytes=-11', 0, 10],
    ['BYTES=1-2', 1, 2],
    ['bytes=0-999999999999999', 0, 10],
  ])('%s is a part', (header, offset, length) => {
    expect(byteRange(header, 10)).toEqual({ offset, length })
  })

  test.each([
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'lines=0-1',
    'bytes=0-1,3-4',
    'bytes=5-2',
    'bytes=0-1e9',
    'bytes=1--2',
    'bytes=0-9999999999999999',
  ])('%s is answered with the whole', (header) => {
    expect(byteRange(header, 10)).toBeUndefined()
  })

  test.each([
    ['bytes=10-', 10],
    ['bytes=10-20', 10],
    ['bytes=999999999999999-', 10],
    ['bytes=-0', 10],
    ['bytes=0-', 0],
    ['bytes=-1', 0],
  ])('%s of %i bytes is behind the end', async (header, size) => {
    const { message } = await expectCode(
      Promise.resolve().then(() => byteRange(header, size)),
      'range_not_satisfiable',
    )
    expect(message).toContain(`${size} bytes`)
  })
})
