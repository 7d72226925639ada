import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import type { UploadGrant } from '../../lib/handover.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { respondJson } from '../present.ts'
import { requestBody } from './body.ts'
import { entityTag, hasConditions, pinned, type Pinned, type Present } from './conditions.ts'
import { digestField } from './digest.ts'
import type { FileScene } from './scene.ts'

/** What is to be put where. */
export type Receiving = Pick<UploadGrant, 'path' | 'sha256' | 'extract' | 'overwrite'>

/**
 * Answers a PUT: the content goes to the sandbox as it comes, and takes its place there at the very end, when it is whole, its digest is
 * right and the conditions of the request still hold. After any failure, a cut connection included, the old content is there. `onDone` is
 * called when the content is in place, before the answer.
 */
export async function receiveFile(scene: FileScene, receiving: Receiving, onDone?: () => void): Promise<void> {
  const { request, response, sandbox, signal, limits, telemetry } = scene
  const { path, sha256, extract, overwrite } = receiving
  const source = requestBody(request, limits, telemetry)
  const isConditional = hasConditions(request.headers)
  if (extract !== undefined) {
    if (isConditional) {
      throw new SandboxError('invalid_argument', 'An archive has no version that a condition could be about.')
    }
    const { files, bytes } = await sandbox.transfer.extract(
      source,
      extract,
      path,
      { overwrite, sha256, maxBytes: limits.maxBytes },
      signal,
    )
    onDone?.()
    respondJson(response, 200, { path: sandbox.files.shown(path), files_extracted: files, bytes_extracted: bytes })
    return
  }
  const held = isConditional ? pinned(request.headers, await present(sandbox, path, signal)) : undefined
  const write: Pinned = overwrite ? (held ?? { mode: 'overwrite' }) : { mode: 'create' }
  const written = await sandbox.transfer
    .write(path, source, { ...write, sha256, maxBytes: limits.maxBytes }, signal)
    .catch((error: unknown) => {
      // What was not there when the conditions were decided is there now.
      const isRaced = held?.mode === 'create' && overwrite && isSandboxError(error, 'already_exists')
      throw isRaced ? new SandboxError('stale_version', error.message, { cause: error }) : error
    })
  onDone?.()
  response.setHeader('ETag', entityTag(written.version))
  response.setHeader('Repr-Digest', digestField(written.sha256))
  respondJson(response, written.created ? 201 : 200, {
    path: sandbox.files.shown(path),
    bytes: written.bytes,
    sha256: written.sha256,
    created: written.created,
  })
}

/** What is at a path; undefined for nothing. */
export async function present(sandbox: Sandbox, path: string, signal: AbortSignal): Promise<Present | undefined> {
  try {
    return await sandbox.files.stat(path, signal)
  } catch (error) {
    if (isSandboxError(error, 'not_found')) return undefined
    throw error
  }
}
