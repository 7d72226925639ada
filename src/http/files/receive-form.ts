import { posix } from 'node:path'
import * as z from 'zod'
import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import type { ErrorCode } from '../../errors/codes.ts'
import { oneLine } from '../../lib/visible-text.ts'
import { respondJson } from '../present.ts'
import { requestBody } from './body.ts'
import { entityTag } from './conditions.ts'
import { type FormPart, readForm } from './multipart.ts'
import { safeName } from './multipart-name.ts'
import type { FileScene } from './scene.ts'

/** The parameters of POST /upload. */
export const formQuery = z.strictObject({
  /** The directory that the files come into; a field `path` before the files says the same. */
  path: z.string().default('.'),
  overwrite: z.enum(['true', 'false'], 'give true or false').default('true'),
})

/** What became of one file. */
interface FileReport {
  readonly name: string
  readonly path?: string
  readonly bytes?: number
  readonly sha256?: string
  readonly etag?: string
  readonly created?: boolean
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly hint: string }
}

/**
 * Answers a POST of a form with files: each is written as a whole or not at all, and told of by itself. The status is 200 when all are
 * there, else that of the first failure; the files that are told without an error are there in either case.
 */
export async function receiveForm(scene: FileScene, query: z.output<typeof formQuery>): Promise<void> {
  const { request, response, limits, telemetry } = scene
  const reports: FileReport[] = []
  let directory = query.path
  let status = 200
  const onPart = async (part: FormPart): Promise<void> => {
    if (part.type === 'field') {
      directory = targetDirectory(part.name, part.value, reports.length > 0)
      return
    }
    const report = await receivePart(scene, directory, part, { reports, overwrite: query.overwrite === 'true' })
    if (report.failure && status === 200) status = report.failure.facts.httpStatus
    reports.push(report.told)
  }
  await readForm(request, requestBody(request, limits, telemetry), onPart)
  if (reports.length === 0) {
    throw new SandboxError('invalid_argument', 'The form has no file.', { hint: 'With curl: -F file=@NAME.' })
  }
  respondJson(response, status, { files: reports })
}

function targetDirectory(name: string, value: string, isLate: boolean): string {
  if (name !== 'path') {
    throw new SandboxError('invalid_argument', `Unknown field ${oneLine(name, 40)}; there is path.`, {
      hint: 'Send files with a file name: -F file=@NAME.',
    })
  }
  if (isLate) {
    throw new SandboxError('invalid_argument', 'The field path came after a file.', {
      hint: 'Send it first, or ?path=.',
    })
  }
  return value
}

async function receivePart(
  { sandbox, signal, limits }: FileScene,
  directory: string,
  { filename, content }: Extract<FormPart, { type: 'file' }>,
  { reports, overwrite }: { reports: readonly FileReport[]; overwrite: boolean },
): Promise<{ told: FileReport; failure?: SandboxError }> {
  const shown = oneLine(filename ?? '', 255)
  try {
    const name = safeName(filename)
    if (name === undefined) throw new SandboxError('invalid_argument', 'The part has no usable file name.')
    const path = posix.join(directory, name)
    // Two parts of one name would leave one of them, and report both.
    if (reports.some((each) => each.path === sandbox.files.shown(path))) {
      throw new SandboxError('already_exists', 'Another file of this form has the same name.')
    }
    const mode = overwrite ? 'overwrite' : 'create'
    // Left open after a failure, so that what is left of it can be passed over.
    const source = content.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    const { version, ...written } = await sandbox.transfer.write(
      path,
      source,
      { mode, maxBytes: limits.maxBytes },
      signal,
    )
    return { told: { name: shown, path: sandbox.files.shown(path), ...written, etag: entityTag(version) } }
  } catch (error) {
    signal.throwIfAborted()
    if (!isSandboxError(error) || isFatal(error)) throw error
    // The parser goes on with the next part when this one has been read.
    content.resume()
    const { code, message, hint } = error
    return { told: { name: shown, error: { code, message, hint } }, failure: error }
  }
}

/** A failure of the sandbox or the server, not of this one file: the others would fail alike. */
function isFatal({ facts }: SandboxError): boolean {
  return facts.kind === 'unavailable' || facts.kind === 'internal' || facts.kind === 'cancelled'
}
