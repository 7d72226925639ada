import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { compressed, decompressed } from '../../../../src/backup/zstd/stream.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { gathered, inPieces } from '../../../helpers/workspace-stream.ts'

const MIB = 1024 ** 2

describe('compressed data', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['255 bytes', Buffer.alloc(255, 1)],
    ['256 bytes', Buffer.alloc(256, 1)],
    ['exactly a frame', randomBytes(MIB)],
    ['frames that do not compress', randomBytes(2 * MIB + 3)],
    ['zeros', Buffer.alloc(5 * MIB)],
  ])('%s comes back', async (_, data) => {
    const small = await gathered(compressed(inPieces(data, 100_000)))
    expect((await gathered(decompressed(inPieces(small, 4096)))).equals(data)).toBe(true)
  })

  test('are smaller, and begin as every zstd file does', async () => {
    const small = await gathered(compressed(inPieces(Buffer.alloc(3 * MIB), 100_000)))
    expect(small.length).toBeLessThan(1000)
    expect(small.readUInt32LE(0)).toBe(0xfd2fb528)
  })

  test('keep their order when several frames are under way', async () => {
    const data = Buffer.concat(Array.from({ length: 8 }, (_, i) => Buffer.alloc(MIB, i)))
    const back = await gathered(decompressed(compressed(inPieces(data, 300_000))))
    expect(createHash('sha256').update(back).digest('hex')).toBe(createHash('sha256').update(data).digest('hex'))
  })

  test('an error of the source passes as it is', async () => {
    const failing = async function* (): AsyncGenerator<Buffer, void> {
      yield Buffer.alloc(2 * MIB)
      throw new Error('the source')
    }
    await expect(gathered(compressed(failing()))).rejects.toThrow('the source')
  })
})

describe('hostile data are refused', () => {
  const good = gathered(compressed(inPieces(Buffer.alloc(5000, 'text '), 5000)))

  test('wherever they are cut', async () => {
    const data = await good
    for (let bytes = 1; bytes < data.length; bytes++) {
      await expectCode(gathered(decompressed(inPieces(data.subarray(0, bytes)))), 'backup_damaged')
    }
  })

  test.each([
    ['another magic', (data: Buffer) => data.writeUInt8(0, 0)],
    // Descriptor 0xe0: one segment, a size of eight bytes, which says 2^63.
    ['a frame of a size that no memory has', (data: Buffer) => data.write('28b52ffde0000000000000008001', 0, 'hex')],
    // Descriptor 0x00: a window, and no size.
    ['a frame that does not tell its size', (data: Buffer) => data.write('28b52ffd0058', 0, 'hex')],
    ['the reserved bit', (data: Buffer) => data.writeUInt8((data[4] ?? 0) | 0b1000, 4)],
  ])('%s', async (_, spoil) => {
    const data = Buffer.from(await good)
    spoil(data)
    await expectCode(gathered(decompressed(inPieces(data))), 'backup_damaged')
  })

  test('a frame with blocks without end', async () => {
    // A size of one byte, then empty raw blocks of which none is the last.
    const header = Buffer.from('28b52ffd2001', 'hex')
    const endless = async function* (): AsyncGenerator<Buffer, void> {
      yield header
      for (;;) yield Buffer.alloc(3 * 1024)
    }
    await expectCode(gathered(decompressed(endless())), 'backup_damaged')
  })

  test('a block that does not decompress', async () => {
    const data = Buffer.from(await good)
    data[data.length - 3] = (data[data.length - 3] ?? 0) ^ 0xff
    await expect(gathered(decompressed(inPieces(data)))).rejects.toMatchObject({ code: 'backup_damaged' })
  })
})
