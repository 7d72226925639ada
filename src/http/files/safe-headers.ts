import type { ServerResponse } from 'node:http'

/**
 * What a user's bytes are sent with, so that no browser runs them on this server's origin, where the user's credential lives: a file to save,
 * of no type that is shown, not guessed at, and without rights should it be opened all the same (stored cross-site scripting; WHATWG
 * MIME Sniffing, CSP Level 3 section 6.4.1.3).
 */
export function setSafeHeaders(response: ServerResponse, filename: string, type: string): void {
  response.setHeader('Content-Type', type)
  response.setHeader('Content-Disposition', attachment(filename))
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; sandbox")
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin')
}

/** RFC 6266, with the name in UTF-8 as RFC 8187 writes it, and in ASCII for clients that know only that. */
export function attachment(filename: string): string {
  const plain = filename.replace(/[^\x20-\x7e]/g, '_').replace(/["\\%]/g, '_')
  if (plain === filename) return `attachment; filename="${plain}"`
  const encoded = encodeURIComponent(filename.replace(/\p{Surrogate}/gu, '_')).replace(
    /['()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}

const OF_CONTENT = [
  'Content-Disposition',
  'Cross-Origin-Resource-Policy',
  'Accept-Ranges',
  'Last-Modified',
  'Content-Length',
  'Repr-Digest',
  'ETag',
]

/** For an answer that failed before it began: what its headers say of content is not said of the error. Throws the error on. */
export function clearFileHeaders(response: ServerResponse): (error: unknown) => never {
  return (error) => {
    if (!response.headersSent) for (const name of OF_CONTENT) response.removeHeader(name)
    throw error
  }
}
