import { posix } from 'node:path'
import { setSafeHeaders } from './safe-headers.ts'
import type { FileScene } from './scene.ts'
import { finish, send } from './send-file.ts'

export type ArchiveFormat = 'tar.gz' | 'zip'

const TYPES: Readonly<Record<ArchiveFormat, string>> = { 'tar.gz': 'application/gzip', zip: 'application/zip' }

/**
 * Answers a GET or HEAD for a directory: an archive that is packed as it is sent. Its length is not known before, and it has no entity
 * tag, since nothing tells the state of a whole tree. A failure on the way cuts the connection, so that the client sees it is not whole.
 */
export async function sendArchive(scene: FileScene, path: string, format: ArchiveFormat): Promise<void> {
  const { request, response, sandbox, signal } = scene
  const name = posix.basename(sandbox.files.absolute(path)) || 'root'
  setSafeHeaders(response, `${name}.${format}`, TYPES[format])
  if (request.method !== 'HEAD') {
    for await (const piece of sandbox.transfer.pack(path, format, signal)) await send(scene, piece)
  }
  await finish(response, signal)
}
