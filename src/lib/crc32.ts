import * as zlib from 'node:zlib'

/** Node has it from 20.15 and 22.2 on. */
const native: typeof zlib.crc32 | undefined = zlib.crc32

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** CRC-32 of zip, gzip and PNG (ISO 3309, ITU-T V.42); `before`: that of what came before `data`. */
export function crc32(data: Uint8Array, before = 0): number {
  return native ? native(data, before) : tableCrc32(data, before)
}

/** The same without Node's own. */
export function tableCrc32(data: Uint8Array, before = 0): number {
  let value = ~before
  for (const byte of data) value = (TABLE[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)
  return ~value >>> 0
}
