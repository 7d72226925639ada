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

/** Of the format that is needed to read it: 2.0. */
const VERSION = 20
/** Where an entry was made, in the upper byte of a version. */
const UNIX = 3 << 8

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
    // The same in both headers: version to the length of extra fields.
    const facts = Buffer.alloc(26)
    facts.writeUInt16LE(VERSION, 0)
    facts.writeUInt16LE(flags, 2)
    facts.writeUInt16LE(method, 4)
    facts.writeUInt32LE(declaredCrc32, 10)
    facts.writeUInt32LE(stored.length, 14)
    facts.writeUInt32LE(declaredSize, 18)
    facts.writeUInt16LE(path.length, 22)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    facts.copy(local, 4)
    const central = Buffer.alloc(46)
    central.writeUInt32LE(0x02014b50, 0)
    central.writeUInt16LE(UNIX | VERSION, 4)
    facts.copy(central, 6)
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
