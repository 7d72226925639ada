import type { Entry } from './entry.ts'
import { storedBytes } from './entry.ts'
import { encodeMap } from './sparse-map.ts'
import { BLOCK_BYTES, encodeHeader, paddingOf } from './tar-header.ts'

const TAR_TYPES: Readonly<Record<Entry['type'], string>> = { file: '0', hardlink: '1', symlink: '2', directory: '5' }

/** What comes before an entry's content: its header, and the map of a file with holes. */
export function beforeContent(entry: Entry): Buffer {
  const { type, path, target, mode, mtime, size, runs } = entry
  const common = { type: TAR_TYPES[type], path, target, mode, mtime }
  if (!runs) return encodeHeader({ ...common, size })
  const map = encodeMap(runs)
  return Buffer.concat([encodeHeader({ ...common, size: map.length + storedBytes(entry), sparseSize: size }), map])
}

/** What comes after it: zeros to the end of a block. */
export function afterContent(entry: Entry): Buffer {
  return Buffer.alloc(paddingOf(storedBytes(entry)))
}

/** The end of an archive. */
export const END_MARK = Buffer.alloc(2 * BLOCK_BYTES)
