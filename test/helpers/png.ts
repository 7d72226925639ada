import { crc32 } from './crc32.ts'
import { deflateSync } from 'node:zlib'

export interface PngOptions {
  readonly interlaced?: boolean
  /** Bytes of the image data before compression, when they are not the right ones. */
  readonly raw?: Buffer
}

/** A PNG (RGB, 8 bit) of one colour; its header may promise more than there is. */
export function png(width: number, height: number, { interlaced = false, raw }: PngOptions = {}): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, interlaced ? 1 : 0], 8)
  const rows = raw ?? Buffer.alloc((width * 3 + 1) * height)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}
