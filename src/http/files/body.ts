import type { IncomingMessage } from 'node:http'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Telemetry } from '../../lib/telemetry.ts'
import { formatBytes, formatDuration } from '../../lib/units.ts'

/** What one body may be. */
export interface BodyLimits {
  readonly maxBytes: number
  /** Longest pause, in milliseconds: a sender that is silent for longer is gone, or holds the connection on purpose. */
  readonly silenceMs: number
}

/**
 * The body of a request as a source: read only as fast as it is taken, at most `maxBytes` (`too_large`), without a pause of `silenceMs`
 * (`request_timeout`). A connection that is cut before the end rejects, so that half a body is never taken for a whole one.
 */
export async function* requestBody(
  request: IncomingMessage,
  { maxBytes, silenceMs }: BodyLimits,
  telemetry: Telemetry,
): AsyncGenerator<Buffer, void> {
  // The stream is left as it is after a failure: what the client still sends is up to whoever answers it.
  const chunks = request.iterator({ destroyOnReturn: false })
  let bytes = 0
  for (;;) {
    const next = (await spoken(chunks.next(), silenceMs)) as IteratorResult<Buffer, undefined>
    if (next.done) return
    bytes += next.value.length
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    telemetry.bytesTransferred('in', next.value.length)
    yield next.value
  }
}

/** Refuses what can be refused before anything is read or started: no length and no chunks, too much, an encoding, a part. */
export function checkBodyHeaders(request: IncomingMessage, maxBytes: number): void {
  const { headers } = request
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) {
    // Such a request has an empty body (RFC 9112 section 6.3), which a client that forgot its file did not mean.
    throw new SandboxError('length_required', 'The request has no body.')
  }
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  if (headers['content-range'] !== undefined) {
    // RFC 9110 section 14.4: taking a part for the whole would lose the rest.
    throw new SandboxError('invalid_argument', 'A part of a file cannot be put.', { hint: 'Send the whole content.' })
  }
  if ((headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
    throw new SandboxError('unsupported_media_type', 'Content is stored as it comes, so it cannot be encoded.', {
      hint: 'Send it without Content-Encoding; an archive can be unpacked with ?extract=.',
    })
  }
}

async function spoken<T>(next: Promise<T>, silenceMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      next.catch(() => {}) // nobody waits for it any more
      reject(new SandboxError('request_timeout', `Nothing came for ${formatDuration(silenceMs)}.`))
    }, silenceMs)
  })
  try {
    return await Promise.race([next, silence])
  } finally {
    clearTimeout(timer)
  }
}

function tooLarge(maxBytes: number): SandboxError {
  return new SandboxError('too_large', `The content is larger than ${formatBytes(maxBytes)}.`, {
    hint: 'Nothing was changed. Send less, or ask the operator for a larger limit (transferSize).',
  })
}
