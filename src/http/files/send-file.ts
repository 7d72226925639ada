import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { posix } from 'node:path'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { entityTag, isNotModified, lastModified, rangeHolds } from './conditions.ts'
import { digestField } from './digest.ts'
import { byteRange, type ByteRange } from './range.ts'
import { setSafeHeaders } from './safe-headers.ts'
import type { FileScene } from './scene.ts'

/** A file as a stat found it. */
type StatResult = Awaited<ReturnType<Sandbox['files']['stat']>>

export interface FileToSend {
  readonly path: string
  /** As it was found just now. */
  readonly file: StatResult
  /** The digest is known, or asked for (which takes a pass over the file of its own). */
  readonly sha256: string | boolean
}

/** Files below `/proc` and their like say that they are empty; more than this is not expected of one. */
const MAX_UNSIZED_BYTES = 4 * 1024 * 1024

/**
 * Answers a GET or HEAD for a regular file: conditions, a range, the content as a stream. The headers tell what a stat found, so the file that is
 * then opened has to be the same one; when it was replaced in between the connection is cut, never two files mixed.
 */
export async function sendFile(scene: FileScene, { path, file, sha256 }: FileToSend): Promise<void> {
  const { request, response, sandbox, signal } = scene
  if (isNotModified(request.headers, true, file)) {
    response.setHeader('ETag', entityTag(file.version))
    response.status(304).end()
    return
  }
  setSafeHeaders(response, posix.basename(path), 'application/octet-stream')
  if (file.sizeBytes === 0) return sendUnsized(scene, path)
  response.setHeader('Accept-Ranges', 'bytes')
  response.setHeader('ETag', entityTag(file.version))
  response.setHeader('Last-Modified', lastModified(file.mtimeMs))
  const range = rangeOf(scene, file)
  const part = range ?? { offset: 0, length: file.sizeBytes }
  const digest = sha256 === true ? await hashFile(scene, path, file) : sha256
  if (digest !== false) response.setHeader('Repr-Digest', digestField(digest))
  response.setHeader('Content-Length', part.length)
  if (range) {
    const last = range.offset + range.length - 1
    response.setHeader('Content-Range', `bytes ${range.offset}-${last}/${file.sizeBytes}`)
  }
  response.status(range ? 206 : 200)
  if (request.method === 'HEAD') return finish(response, signal)
  let left = part.length
  const read = await sandbox.transfer.read(
    path,
    part,
    (chunk) => {
      left -= chunk.length
      return send(scene, chunk)
    },
    signal,
  )
  if (read.version !== file.version || left !== 0) throw changed(sandbox.files.shown(path))
  await finish(response, signal)
}

/** Ends an answer; resolves when its last byte has been handed to the network, rejects when the client was gone before. */
export async function finish(response: ServerResponse, signal: AbortSignal, data?: Uint8Array): Promise<void> {
  const finished = once(response, 'finish', { signal })
  response.end(data)
  await finished
}

/** Sends one piece; resolves when the client's connection takes more, rejects when it is gone. */
export async function send({ response, signal, telemetry }: FileScene, chunk: Uint8Array): Promise<void> {
  signal.throwIfAborted()
  telemetry.bytesTransferred('out', chunk.length)
  if (!response.write(chunk)) await once(response, 'drain', { signal })
}

/** The digest of a file in the state that was found. */
async function hashFile({ sandbox, signal }: FileScene, path: string, file: StatResult): Promise<string> {
  const hash = createHash('sha256')
  const range = { offset: 0, length: file.sizeBytes }
  const read = await sandbox.transfer.read(path, range, (chunk) => void hash.update(chunk), signal)
  if (read.version !== file.version) throw changed(sandbox.files.shown(path))
  return hash.digest('hex')
}

function rangeOf({ request, response }: FileScene, file: StatResult): ByteRange | undefined {
  // Ranges are of GET alone (RFC 9110 section 14.2).
  if (request.method !== 'GET' || !rangeHolds(request.get('if-range'), file)) return undefined
  try {
    return byteRange(request.headers.range, file.sizeBytes)
  } catch (error) {
    response.setHeader('Content-Range', `bytes */${file.sizeBytes}`)
    throw error
  }
}

/** A file that says it is empty: it may be, or be one that the kernel makes up as it is read. */
async function sendUnsized({ request, response, sandbox, signal }: FileScene, path: string): Promise<void> {
  const { file, data } = await sandbox.files.readBytes(path, MAX_UNSIZED_BYTES, signal)
  if (data.length === 0) response.setHeader('ETag', entityTag(file.version))
  response.setHeader('Last-Modified', lastModified(file.mtimeMs))
  response.setHeader('Content-Length', data.length)
  await finish(response, signal, request.method === 'HEAD' ? undefined : data)
}

function changed(shown: string): SandboxError {
  return new SandboxError('stale_version', `${shown} was changed while it was being sent.`, {
    hint: 'Ask for it again.',
  })
}
