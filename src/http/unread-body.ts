import type { IncomingMessage, ServerResponse } from 'node:http'

/** How long, in milliseconds, a body that nobody wants is read before the connection is closed. */
const LINGER_MS = 2000

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
 * system throw away the answer that it has not read yet (RFC 9112 section 9.6). So what comes is read and forgotten for a while, until the
 * client has sent all or has closed its side.
 */
export function endWithBodyUnread(response: ServerResponse, text: string): void {
  const request = response.req
  response.setHeader('Connection', 'close')
  response.write(text)
  const timer = setTimeout(end, LINGER_MS)
  function end(): void {
    clearTimeout(timer)
    request.off('close', end).off('end', end).pause()
    response.end()
  }
  request.once('end', end).once('close', end).resume()
}
