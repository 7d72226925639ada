import type { IncomingMessage, ServerResponse } from 'node:http'

/** How long, in milliseconds, and how many bytes of a body that nobody wants are taken before the connection is closed. */
const LINGER_MS = 1000
const LINGER_BYTES = 1024 ** 2

/** True when the client has announced a body that has not arrived whole. */
export function hasUnreadBody(request: IncomingMessage): boolean {
  return !request.complete && announcesBody(request)
}

/** A message has a body when it says so (RFC 9112 section 6). */
export function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * Sends an answer while the client still sends, then closes the connection. Closing at once would reset it, and a reset makes the client's
 * system throw away the answer that it has not read yet (RFC 9112 section 9.6), so a little of the body is read first, and forgotten.
 */
export function endWithBodyUnread(response: ServerResponse, text: string): void {
  const request = response.req
  response.setHeader('Connection', 'close')
  response.write(text)
  const timer = setTimeout(end, LINGER_MS)
  let taken = 0
  function end(): void {
    clearTimeout(timer)
    request.off('data', count).off('close', end).off('end', end)
    request.pause()
    response.end()
  }
  function count(chunk: Buffer): void {
    taken += chunk.length
    if (taken > LINGER_BYTES) end()
  }
  request.on('data', count).once('end', end).once('close', end)
  request.resume()
}
