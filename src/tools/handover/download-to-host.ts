import { createHash } from 'node:crypto'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { HostFiles, HostTarget } from '../../lib/handover.ts'
import { formatBytes } from '../../lib/units.ts'
import { visibleName } from '../render/file-name.ts'
import { footerLine } from '../render/text.ts'
import type { ToolContext } from '../tool.ts'
import { digestFile } from './digest-file.ts'
import { downloadName, type Wanted } from './download-url.ts'

/** Copies a file, or a directory as tar.gz, to the operator's directory of the host. Never over anything that is there. */
export async function downloadToHost(host: HostFiles, { path, isDirectory }: Wanted, context: ToolContext) {
  const { sandbox } = context
  const target = await host.create(downloadName(sandbox.files.absolute(path), isDirectory))
  try {
    const copy = isDirectory ? copyDirectory : copyFile
    const { bytes, sha256 } = await copy(bounded(target, host.maxBytes), path, context)
    const hostPath = await target.commit()
    const shown = sandbox.files.shown(path)
    return {
      text: `${visibleName(shown)} copied to ${visibleName(hostPath)} on the user's machine.`,
      footer: footerLine([formatBytes(bytes), `sha256 ${sha256}`]),
      structured: { path: shown, bytes, sha256, host_path: hostPath },
    }
  } finally {
    await target[Symbol.asyncDispose]()
  }
}

type Write = (piece: Uint8Array) => Promise<void>

/** What comes from a sandbox does not fill the host's disk. */
function bounded(target: HostTarget, maxBytes: number): Write {
  let bytes = 0
  return async (piece) => {
    bytes += piece.length
    if (bytes > maxBytes) {
      throw new SandboxError('too_large', `It has more than ${formatBytes(maxBytes)}.`, {
        hint: 'Download a part of it, or ask the operator for a larger limit (transferSize).',
      })
    }
    await target.write(piece)
  }
}

function copyFile(write: Write, path: string, { sandbox, signal, onProgress }: ToolContext) {
  return digestFile(sandbox, path, { signal, onProgress, onPiece: write })
}

async function copyDirectory(write: Write, path: string, { sandbox, signal, onProgress }: ToolContext) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of sandbox.transfer.pack(path, 'tar.gz', signal)) {
    hash.update(piece)
    bytes += piece.length
    onProgress?.(`${formatBytes(bytes)} packed`)
    await write(piece)
  }
  return { bytes, sha256: hash.digest('hex') }
}
