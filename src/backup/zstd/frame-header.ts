import { badArchive } from '../archive/bad-archive.ts'

/** Numbers of RFC 8878, "Zstandard Frames". */
const MAGIC = 0xfd2fb528
const DICTIONARY_BYTES = [0, 1, 2, 4]
const SIZE_BYTES = [0, 2, 4, 8]
const RESERVED_BLOCK = 3
const RLE_BLOCK = 1
const BLOCK_HEADER_BYTES = 3
const CHECKSUM_BYTES = 4

export interface FrameSource {
  take(bytes: number): Promise<Buffer>
}

/**
 * Reads one whole frame, walking over its blocks without decompressing them. `maxBytes` bounds what it holds, as its header says, and, with
 * what incompressible data add, what it takes. `backup_damaged` for anything else, also for a frame that does not tell its size.
 */
export async function readFrame(
  source: FrameSource,
  maxBytes: number,
): Promise<{ readonly frame: Buffer; readonly size: number }> {
  const start = await source.take(5)
  const descriptor = start[4] ?? 0
  if (start.readUInt32LE(0) !== MAGIC || (descriptor & 0b1000) !== 0) throw badArchive('its compression')
  const isSingleSegment = (descriptor & 0b10_0000) !== 0
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : (SIZE_BYTES[sizeFlag] ?? 0)
  if (sizeBytes === 0) throw badArchive('it was compressed by another program')
  const before = (isSingleSegment ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 0b11] ?? 0)
  const rest = await source.take(before + sizeBytes)
  const size = contentSize(rest.subarray(before))
  if (size > maxBytes) throw badArchive('it was compressed by another program')
  const parts = [start, rest]
  let left = maxBytes + maxBytes / 64 + 1024
  for (let isLast = false; !isLast;) {
    const header = await source.take(BLOCK_HEADER_BYTES)
    const bits = header.readUIntLE(0, BLOCK_HEADER_BYTES)
    const type = (bits >> 1) & 0b11
    const bytes = type === RLE_BLOCK ? 1 : bits >> 3
    isLast = (bits & 1) === 1
    left -= BLOCK_HEADER_BYTES + bytes
    if (type === RESERVED_BLOCK || left < 0) throw badArchive('its compression')
    parts.push(header, await source.take(bytes))
  }
  if ((descriptor & 0b100) !== 0) parts.push(await source.take(CHECKSUM_BYTES))
  return { frame: Buffer.concat(parts), size }
}

function contentSize(field: Buffer): number {
  if (field.length === 8) {
    const size = field.readBigUInt64LE(0)
    return size > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(size)
  }
  // Two bytes count from 256.
  return field.readUIntLE(0, field.length) + (field.length === 2 ? 256 : 0)
}
