import { createHash } from 'node:crypto'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { formatBytes } from '../../lib/units.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'

/** A file as it was when its digest was made. */
export interface DigestedFile {
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
  readonly version: bigint
}

export interface DigestOptions {
  readonly signal: AbortSignal
  readonly onProgress?: ((text: string) => void) | undefined
  /** Takes every piece on its way. */
  readonly onPiece?: (piece: Buffer) => Promise<void>
}

/** Reads a whole file once, piece by piece. `stale_version` when it was written to meanwhile, so that it was never all of this. */
export async function digestFile(sandbox: Sandbox, path: string, options: DigestOptions): Promise<DigestedFile> {
  const { signal, onProgress, onPiece } = options
  const hash = createHash('sha256')
  let bytes = 0
  const file = await sandbox.transfer.read(
    path,
    { offset: 0, length: 0 },
    async (piece) => {
      hash.update(piece)
      bytes += piece.length
      onProgress?.(`${formatBytes(bytes)} read`)
      await onPiece?.(piece)
    },
    signal,
  )
  // Files that the kernel makes up as they are read, as in /proc, say that they are empty.
  if (file.sizeBytes !== bytes && file.sizeBytes !== 0) {
    throw new SandboxError('stale_version', `${sandbox.files.shown(path)} was written to meanwhile.`, {
      hint: 'Call again when it is not being written to.',
    })
  }
  return { bytes, sha256: hash.digest('hex'), version: file.version }
}
