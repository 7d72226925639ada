import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import { abortableSource } from '../../lib/abort.ts'
import { oneLine } from '../../lib/visible-text.ts'
import { type Announced, Arriving } from '../arriving.ts'
import type { Files } from '../files.ts'
import { readPieces } from '../read-pieces.ts'
import { withTemporary } from '../temporary.ts'
import { spoolName, TEMPORARY_DIR } from '../temporary-names.ts'
import { checkedEntries } from './check-entries.ts'
import type { ArchiveKind, RawEntry } from './entry.ts'
import { EntryTree } from './entry-tree.ts'
import { putInPlace } from './put-in-place.ts'
import { readTar } from './read-tar.ts'
import { readZip } from './read-zip.ts'
import { SandboxFileReader } from './sandbox-file-reader.ts'
import { type Extracted, stagingPath, stageEntries } from './staging.ts'
import { ARCHIVE_LIMITS, type ArchiveLimits, UnpackBudget } from './unpack-budget.ts'

/** An archive as it was announced, and what to do with what is there already. */
export interface ExtractOptions extends Announced {
  /** False: a file that is there already is a conflict, and nothing is changed. */
  readonly overwrite: boolean
  readonly limits?: ArchiveLimits
}

/** An archive on its way into a sandbox. */
interface Incoming {
  readonly files: Files
  readonly arriving: Arriving
  readonly kind: ArchiveKind
  readonly budget: UnpackBudget
  readonly signal: AbortSignal | undefined
}

/**
 * Unpacks an archive below a directory as it arrives. It is parsed and rebuilt here rather than by a program in the sandbox: that
 * works in every runtime, and what is refused never gets in.
 *
 * Everything is unpacked into a directory of its own first, and put in place by renames when all of it was read, checked and
 * written. So a bad or cut archive, a full disk, an abort, a conflict with what is there change nothing. The renames themselves are
 * not one step: an error among them says how many were done. What a server that is killed meanwhile leaves behind, the next one removes
 * (`tidy.ts`).
 */
export async function extractArchive(
  files: Files,
  source: AsyncIterable<Uint8Array>,
  kind: ArchiveKind,
  target: string,
  options: ExtractOptions,
  signal?: AbortSignal,
): Promise<Extracted> {
  const arriving = new Arriving(abortableSource(source, signal), options, oneLine(files.shown(target)))
  const budget = new UnpackBudget(options.limits ?? ARCHIVE_LIMITS, () => arriving.bytes)
  const staged = await stagingPath(files, target, signal)
  try {
    return await withTemporary(files, staged, async () => {
      await files.makeDirectory(staged, signal)
      return await withEntries({ files, arriving, kind, budget, signal }, async (entries) => {
        const tree = new EntryTree()
        const extracted = await stageEntries(files, checkedEntries(entries, tree, budget), staged, signal)
        const place = { files, staged, root: tree.root, target: files.absolute(target), overwrite: options.overwrite }
        await putInPlace(place, signal)
        return extracted
      })
    })
  } catch (error) {
    signal?.throwIfAborted()
    throw namedAs(error, files.shown(staged), files.shown(target))
  }
}

/** A tar is read as it comes. A zip has its directory at the end, so it is kept in the sandbox until that is there, and read from there. */
async function withEntries<T>(
  { files, arriving, kind, budget, signal }: Incoming,
  use: (entries: AsyncIterable<RawEntry>) => Promise<T>,
): Promise<T> {
  if (kind !== 'zip') return await use(readTar(arriving.pieces(), kind, budget))
  const spool = files.absolute(`${TEMPORARY_DIR}/${spoolName()}`)
  return await withTemporary(files, spool, async () => {
    await files.write(spool, arriving.pieces(), { mode: 'create' }, signal)
    const reader = new SandboxFileReader((range) =>
      readPieces((sink, stop) => files.read(spool, range, sink, stop), signal),
    )
    return await use(readZip(reader, arriving.bytes, budget))
  })
}

/** Tells of the path that the caller knows instead of the temporary one. */
function namedAs(error: unknown, temporary: string, target: string): unknown {
  if (!isSandboxError(error) || !error.message.includes(temporary)) return error
  return new SandboxError(error.code, error.message.split(temporary).join(target), {
    hint: error.hint,
    details: error.details,
    cause: error,
  })
}
