import { badArchive } from './bad-archive.ts'
import type { Run } from './entry.ts'
import { BLOCK_BYTES, paddingOf } from './tar-header.ts'

/** As the packer (supervisor/src/tar.h, TAR_RUNS_MAX): a file with more runs is stored without holes. */
const MAX_RUNS = 262_144
const NUMBER = /^\d{1,16}$/

/** The map at the head of a sparse file's data: how many runs, then offset and length of each, a number a line, padded to a block. */
export function encodeMap(runs: readonly Run[]): Buffer {
  const lines = [String(runs.length), ...runs.flatMap(({ offset, bytes }) => [String(offset), String(bytes)])]
  const text = Buffer.from(`${lines.join('\n')}\n`, 'latin1')
  return Buffer.concat([text, Buffer.alloc(paddingOf(text.length))])
}

/**
 * Reads such a map of a file of `fileBytes`, whose map and data take `storedBytes`. `backup_damaged` when runs overlap, are out of order,
 * lie outside of the file, or do not add up.
 */
export async function readMap(
  source: { take(bytes: number): Promise<Buffer> },
  storedBytes: number,
  fileBytes: number,
): Promise<readonly Run[]> {
  const numbers: number[] = []
  let text = ''
  let read = 0
  for (let wanted = 1; numbers.length < wanted;) {
    if (read + BLOCK_BYTES > storedBytes) throw badArchive('the map of a sparse file')
    text += (await source.take(BLOCK_BYTES)).toString('latin1')
    read += BLOCK_BYTES
    for (let end = text.indexOf('\n'); end >= 0 && numbers.length < wanted; end = text.indexOf('\n')) {
      const line = text.slice(0, end)
      if (!NUMBER.test(line)) throw badArchive('the map of a sparse file')
      numbers.push(Number(line))
      text = text.slice(end + 1)
      if (numbers.length === 1) wanted = 1 + 2 * Math.min(Number(line), MAX_RUNS + 1)
      if (wanted > 1 + 2 * MAX_RUNS) throw badArchive('the map of a sparse file')
    }
    // One number at most is left over at the end of a block.
    if (numbers.length < wanted && text.length > 16) throw badArchive('the map of a sparse file')
  }
  if (/[^\0]/.test(text)) throw badArchive('the map of a sparse file')
  const runs = Array.from({ length: (numbers.length - 1) / 2 }, (_, i) => ({
    offset: numbers[1 + 2 * i] ?? 0,
    bytes: numbers[2 + 2 * i] ?? 0,
  }))
  let end = 0
  let data = 0
  for (const { offset, bytes } of runs) {
    if (offset < end || offset + bytes > fileBytes) throw badArchive('the map of a sparse file')
    end = offset + bytes
    data += bytes
  }
  if (read + data !== storedBytes) throw badArchive('the map of a sparse file')
  return runs
}
