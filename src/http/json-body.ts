import { isUtf8 } from 'node:buffer'
import type { Request, RequestHandler } from 'express'
import getRawBody from 'raw-body'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes, formatDuration } from '../lib/units.ts'
import { checkJsonShape } from './json-shape.ts'

export interface JsonBodyOptions {
  /** Most bytes of a body. */
  readonly maxBytes: number
  /** For the whole body, in milliseconds. */
  readonly timeoutMs: number
}

/** The one charset of JSON (RFC 8259 section 8.1), which may be said. */
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*"?utf-8"?[ \t]*)?$/i

/**
 * Reads a JSON body into `request.body`. Another type is refused unread, as pages may send forms and text to every server without being
 * asked for leave, but not JSON. A body that is too large is refused as soon as that is known, whether it said its length or not; an encoded
 * one (gzip) always, since it may grow without end. Deep or finely divided JSON is refused before a parser sees it.
 */
export function jsonBody({ maxBytes, timeoutMs }: JsonBodyOptions): RequestHandler {
  return async (request, _response, next) => {
    if (!JSON_TYPE.test(request.headers['content-type'] ?? '')) {
      throw new SandboxError('unsupported_media_type', 'The body has to be application/json.')
    }
    if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
      throw new SandboxError('unsupported_media_type', 'The body must not be compressed.')
    }
    request.body = parseJson(await readBody(request, maxBytes, timeoutMs))
    next()
  }
}

async function readBody(request: Request, maxBytes: number, timeoutMs: number): Promise<Buffer> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new SandboxError('request_timeout', `The body did not arrive within ${formatDuration(timeoutMs)}.`))
    }, timeoutMs)
  })
  const length = request.headers['content-length'] ?? null
  try {
    return await Promise.race([getRawBody(request, { length, limit: maxBytes }), late])
  } catch (error) {
    throw bodyError(error, maxBytes)
  } finally {
    clearTimeout(timer)
  }
}

/** What raw-body's error types mean. */
function bodyError(error: unknown, maxBytes: number): unknown {
  if (isSandboxError(error)) return error
  const type: unknown = error instanceof Error && 'type' in error ? error.type : undefined
  if (type === 'entity.too.large') {
    return new SandboxError('too_large', `The body is larger than ${formatBytes(maxBytes)}.`, {
      hint: 'Send large files through the files API, or in pieces.',
    })
  }
  if (type === 'request.aborted' || type === 'request.size.invalid') {
    return new SandboxError('malformed_body', 'The body ended early.')
  }
  return error
}

/** The value of a JSON text; `malformed_body` where it is none. Two keys of one name: the last one holds, as everywhere in JavaScript. */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new SandboxError('malformed_body', 'The body is not valid UTF-8.')
  checkJsonShape(bytes)
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // The parser's message quotes the body; the client has that.
    throw new SandboxError('malformed_body', 'The body is not valid JSON.')
  }
}
