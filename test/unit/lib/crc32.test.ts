import { describe, expect, test } from 'vitest'
import { crc32, tableCrc32 } from '../../../src/lib/crc32.ts'
import { seededBytes } from '../../helpers/random.ts'

describe.each([
  ['crc32', crc32],
  ['tableCrc32', tableCrc32],
])('%s', (_, sum) => {
  test('gives the check value of the standard', () => {
    expect(sum(Buffer.from('123456789'))).toBe(0xcbf43926)
    expect(sum(Buffer.alloc(0))).toBe(0)
  })

  test('goes on where it left off', () => {
    const data = seededBytes(1000)
    expect(sum(data.subarray(400), sum(data.subarray(0, 400)))).toBe(sum(data))
  })
})
