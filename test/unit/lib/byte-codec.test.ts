import { describe, expect, test } from 'vitest'
import { ByteReader, ByteWriter, MalformedBytes } from '../../../src/lib/byte-codec.ts'

const MAX_U64 = 2n ** 64n - 1n

describe('what the writer puts, the reader gives back', () => {
  test('at both ends of every range', () => {
    const bytes = new ByteWriter()
      .u8(0)
      .u8(255)
      .u16(65_535)
      .u32(4_294_967_295)
      .i32(-2_147_483_648)
      .i32(2_147_483_647)
      .u64(MAX_U64)
      .i64(-(2n ** 63n))
      .u64(7)
      .finish()
    const reader = new ByteReader(bytes)
    expect([reader.u8(), reader.u8(), reader.u16(), reader.u32(), reader.i32(), reader.i32()]).toEqual([
      0, 255, 65_535, 4_294_967_295, -2_147_483_648, 2_147_483_647,
    ])
    expect([reader.u64(), reader.i64(), reader.count64()]).toEqual([MAX_U64, -(2n ** 63n), 7])
    reader.end()
  })

  test('in little-endian order', () => {
    expect(new ByteWriter().u16(0x0102).u32(0x03040506).u64(0x0708n).finish().toString('hex')).toBe(
      '0201060504030807000000000000',
    )
  })

  test('for bytes, text beyond ASCII and lists', () => {
    const bytes = new ByteWriter()
      .bytes(Buffer.from([0, 255]))
      .text('añ😀')
      .texts(['', 'b', 'ü'])
      .raw(Buffer.from('rest'))
    const reader = new ByteReader(bytes.finish())
    expect(reader.bytes()).toEqual(Buffer.from([0, 255]))
    expect(reader.text()).toBe('añ😀')
    expect(reader.list(4, (each) => each.text())).toEqual(['', 'b', 'ü'])
    expect(reader.rest().toString()).toBe('rest')
    expect(reader.remaining).toBe(0)
  })

  test('when the buffer has to grow many times', () => {
    const writer = new ByteWriter(1)
    for (let index = 0; index < 1000; index++) writer.u32(index)
    writer.bytes(Buffer.alloc(100_000, 7)).patchU32(0, 0xdeadbeef)
    const reader = new ByteReader(writer.finish())
    expect(writer.length).toBe(4000 + 4 + 100_000)
    expect(reader.u32()).toBe(0xdeadbeef)
    for (let index = 1; index < 1000; index++) expect(reader.u32()).toBe(index)
    expect(reader.bytes().equals(Buffer.alloc(100_000, 7))).toBe(true)
    reader.end()
  })
})

test('a value out of its range is not written', () => {
  expect(() => new ByteWriter().u8(256)).toThrow(RangeError)
  expect(() => new ByteWriter().u32(-1)).toThrow(RangeError)
  expect(() => new ByteWriter().u64(-1)).toThrow(RangeError)
})

describe('a hostile buffer is refused', () => {
  test.each([
    ['u8', 1],
    ['u16', 2],
    ['u32', 4],
    ['i32', 4],
    ['u64', 8],
    ['i64', 8],
    ['count64', 8],
    ['bytes', 4],
    ['text', 4],
  ] as const)('when it ends within a %s', (method, size) => {
    for (let length = 0; length < size; length++) {
      expect(() => new ByteReader(Buffer.alloc(length))[method]()).toThrow(MalformedBytes)
    }
  })

  test('when a length points beyond the end', () => {
    const forged = new ByteWriter().u32(0xffff_ffff).raw(Buffer.alloc(10)).finish()
    expect(() => new ByteReader(forged).bytes()).toThrow('cut short')
    expect(() => new ByteReader(forged).text()).toThrow('cut short')
  })

  test('when a count could not fit, before anything is allocated or read', () => {
    const forged = new ByteWriter().u32(3).raw(Buffer.alloc(11)).finish()
    expect(() =>
      new ByteReader(forged).list(4, () => {
        throw new Error('an element was read')
      }),
    ).toThrow('count out of range')
  })

  test('when a count of bytes is beyond what a number holds', () => {
    const largest = BigInt(Number.MAX_SAFE_INTEGER)
    expect(new ByteReader(new ByteWriter().u64(largest).finish()).count64()).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => new ByteReader(new ByteWriter().u64(largest + 1n).finish()).count64()).toThrow(MalformedBytes)
  })

  test('when bytes are left over', () => {
    const reader = new ByteReader(Buffer.alloc(3))
    reader.u8()
    expect(() => reader.end()).toThrow('2 bytes left over')
  })
})

test('text that is not UTF-8 becomes U+FFFD', () => {
  const bytes = new ByteWriter().bytes(Buffer.from([0x61, 0xff, 0x62])).finish()
  expect(new ByteReader(bytes).text()).toBe('a\ufffdb')
})
