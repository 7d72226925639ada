import type { IncomingMessage } from 'node:http'
import { BadReplyError, ReplyCutError } from './translate-error.ts'

/** Bytes of a reply that is read as a whole. The largest in use are lists of containers, of about 2 KiB each. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024
/** Bytes of one line of a stream of JSON lines (events, progress of a pull or a build). */
const MAX_LINE_BYTES = 1024 * 1024

/**
 * Reads the pieces of a reply until its regular end. Fails with {@link ReplyCutError} when the connection ends before
 * (docker-modem listens for "end" alone, and would wait for ever). Leaving the loop early destroys the reply.
 */
async function* pieces(reply: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const piece of reply) yield piece as Buffer
  } catch (error) {
    throw new ReplyCutError('the reply ended early', { cause: error })
  }
  if (!reply.complete) throw new ReplyCutError('the reply ended early')
}

/** Reads a whole reply of bounded size as text. */
export async function readText(reply: IncomingMessage, maxBytes: number = MAX_REPLY_BYTES): Promise<string> {
  return (await readBytes(reply, maxBytes)).toString()
}

/** Reads a whole reply of bounded size. */
export async function readBytes(reply: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const piece of pieces(reply)) {
    size += piece.length
    if (size > maxBytes) throw new BadReplyError(`the reply is larger than ${maxBytes} bytes`)
    parts.push(piece)
  }
  return Buffer.concat(parts)
}

/** Reads a reply that is a sequence of JSON values, one a line, each of bounded length. */
export async function* readJsonLines(reply: IncomingMessage, maxLineBytes: number = MAX_LINE_BYTES): AsyncGenerator {
  let rest: Buffer[] = []
  let restBytes = 0
  const takeLine = (end: Buffer): string => {
    const line = Buffer.concat([...rest, end])
      .toString()
      .trim()
    rest = []
    restBytes = 0
    return line
  }
  for await (const piece of pieces(reply)) {
    let start = 0
    for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, start)) {
      const line = takeLine(piece.subarray(start, end))
      start = end + 1
      if (line !== '') yield parseJson(line)
    }
    restBytes += piece.length - start
    if (restBytes > maxLineBytes) throw new BadReplyError(`a line is longer than ${maxLineBytes} bytes`)
    if (start < piece.length) rest.push(piece.subarray(start))
  }
  const last = takeLine(Buffer.alloc(0))
  if (last !== '') yield parseJson(last)
}

/** Parses JSON; fails with {@link BadReplyError}. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new BadReplyError('the reply is not JSON', { cause: error })
  }
}
