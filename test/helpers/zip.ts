import { deflateRawSync } from 'node:zlib'
import { crc32 } from './crc32.ts'

/** One entry of a zip that is written here; anything may be wrong with it. */
export interface ZipEntry {
  readonly name: string
  readonly data?: Buffer
  /** stat(2) mode. */
  readonly mode?: number
  readonly flags?: number
  /** What the directory says, when it lies. */
  readonly declaredSize?: number
  /** Compressed, as its method then says. */
  readonly deflate?: boolean
  readonly method?: number
  /** Its data is that of the first entry, which is in the archive once. */
  readonly sharesFirst?: boolean
  /** What the directory says, when it lies. */
  readonly declaredCrc32?: number
}

const UNIX = (3 << 8) | 20

/** A zip archive (APPNOTE 4.3) with stored entries, also such as no honest program writes. */
export function zip(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const {
    name,
    data = Buffer.alloc(0),
    mode = 0o100644,
    flags = 0,
    declaredSize = data.length,
    deflate = false,
    method = deflate ? 8 : 0,
    declaredCrc32 = crc32(data),
    sharesFirst = false,
  } of entries) {
    const stored = deflate ? deflateRawSync(data) : data
    const path = Buffer.from(name)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(20, 4)
    local.writeUInt16LE(flags, 6)
    local.writeUInt16LE(method, 8)
    local.writeUInt32LE(declaredCrc32, 14)
    local.writeUInt32LE(stored.length, 18)
    local.writeUInt32LE(declaredSize, 22)
    local.writeUInt16LE(path.length, 26)
    const central = Buffer.alloc(46)
    central.writeUInt32LE(0x02014b50, 0)
    central.writeUInt16LE(UNIX, 4)
    central.writeUInt16LE(20, 6)
    central.writeUInt16LE(flags, 8)
    central.writeUInt16LE(method, 10)
    central.writeUInt32LE(declaredCrc32, 16)
    central.writeUInt32LE(stored.length, 20)
    central.writeUInt32LE(declaredSize, 24)
    central.writeUInt16LE(path.length, 28)
    central.writeUInt32LE((mode << 16) >>> 0, 38)
    central.writeUInt32LE(sharesFirst ? 0 : offset, 42)
    directory.push(central, path)
    if (sharesFirst) continue
    locals.push(local, path, stored)
    offset += local.length + path.length + stored.length
  }
  const directoryBytes = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directoryBytes.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directoryBytes, end])
}
