import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy, type BusboyInstance } from '@fastify/busboy'
import type { IncomingMessage } from 'node:http'
import { SandboxError } from '../../errors/sandbox-error.ts'

/** One part of a form: a file as a stream, which has to be read to its end or let go before the next part comes, or a field. */
export type FormPart =
  | { readonly type: 'file'; readonly filename: string | undefined; readonly content: Readable }
  | { readonly type: 'field'; readonly name: string; readonly value: string }

/** Files of one request: each is a transaction of its own in the sandbox. */
const MAX_FILES = 1000
const MAX_FIELDS = 16
const MAX_FIELD_BYTES = 8192
const MAX_HEADER_BYTES = 16 * 1024
const MAX_HEADERS = 32

/**
 * Reads a multipart/form-data body (RFC 7578) and gives its parts to `onPart` one after another, in their order; the next part is parsed when
 * the promise for this one is settled. Nothing but a window of a file is ever in memory. Rejects with `malformed_body` for what is no such
 * body or ends early, with `too_large` for one with too many parts, and with what `onPart` rejects with.
 */
export async function readForm(
  request: IncomingMessage,
  body: AsyncIterable<Buffer>,
  onPart: (part: FormPart) => Promise<void>,
): Promise<void> {
  const parser = openParser(request)
  const failed = new AbortController()
  let last: Promise<void> = Promise.resolve()
  const queue = (part: FormPart) => {
    last = last.then(async () => {
      if (!failed.signal.aborted) await onPart(part)
    })
    // Told by the pipeline, which this ends.
    last.catch((error: unknown) => failed.abort(error))
  }
  const files = new Set<Readable>()
  parser.on('file', (_field, content, filename) => {
    // An early end of the body is told by the pipeline; the reader of the part hears of it too, if there is one.
    content.on('error', () => {})
    files.add(content)
    content.once('close', () => files.delete(content))
    queue({ type: 'file', filename, content })
  })
  parser.on('field', (name: string | undefined, value, _nameTruncated, isTruncated) => {
    if (isTruncated) failed.abort(new SandboxError('too_large', `A field has more than ${MAX_FIELD_BYTES} bytes.`))
    // A part need not have a name, whatever the parser's types say.
    else queue({ type: 'field', name: name ?? '', value })
  })
  for (const limit of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const) {
    parser.on(limit, () => failed.abort(tooManyParts()))
  }
  try {
    await pipeline(body, parser, { signal: failed.signal })
  } catch (error) {
    const cause = (failed.signal.aborted ? failed.signal.reason : bodyError(error)) as Error
    failed.abort(cause)
    // The parser leaves them open for ever, and their reader waiting.
    for (const content of files) content.destroy(cause)
    await last.catch(() => {})
    throw cause
  }
  await last
}

function openParser(request: IncomingMessage): BusboyInstance {
  const type = request.headers['content-type'] ?? ''
  if (!/^multipart\/form-data\s*;/i.test(type)) {
    throw new SandboxError('unsupported_media_type', 'The body has to be multipart/form-data.', {
      hint: 'With curl: -F file=@NAME. For one file, PUT /files/NAME takes its content as it is.',
    })
  }
  try {
    return new Busboy({
      headers: { ...request.headers, 'content-type': type },
      preservePath: true,
      limits: {
        files: MAX_FILES,
        fields: MAX_FIELDS,
        fieldSize: MAX_FIELD_BYTES,
        headerSize: MAX_HEADER_BYTES,
        headerPairs: MAX_HEADERS,
      },
    })
  } catch (cause) {
    throw new SandboxError('malformed_body', 'The Content-Type has no boundary.', { cause })
  }
}

/** Own errors of the body pass; the parser's are of the form "Unexpected end of multipart data". */
function bodyError(error: unknown): Error {
  if (error instanceof SandboxError) return error
  return new SandboxError('malformed_body', 'The form is broken, or it ended early.', {
    hint: 'Send the whole form again.',
    cause: error,
  })
}

function tooManyParts(): SandboxError {
  return new SandboxError('too_large', `The form has more than ${MAX_FILES} files or ${MAX_FIELDS} fields.`, {
    hint: 'Send several forms, or an archive with PUT /files/DIRECTORY?extract=tar.gz.',
  })
}
