import { createHash } from 'node:crypto'
import { badArchive } from './archive/bad-archive.ts'
import type { BackupFacts } from './facts.ts'

/** Passes an archive on, and fails at its end when it is not the one that the facts are of. */
export async function* wholeAs(
  { bytes, sha256 }: BackupFacts['archive'],
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void> {
  const hash = createHash('sha256')
  let seen = 0
  for await (const piece of source) {
    seen += piece.length
    if (seen > bytes) throw badArchive('it is longer than it was')
    hash.update(piece)
    yield piece
  }
  if (seen !== bytes || hash.digest('hex') !== sha256) throw badArchive('its checksum')
}
