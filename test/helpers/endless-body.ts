import { request } from 'node:http'

export interface EndlessBody {
  /** Of the answer; undefined when the connection was closed without one. */
  readonly status: number | undefined
  /** Bytes that the connection took before. */
  readonly sentBytes: number
}

/** POSTs spaces in chunks, as fast as they are taken, until there is an answer; at most `maxBytes`. */
export async function sendEndlessBody(
  url: URL,
  headers: Readonly<Record<string, string>>,
  maxBytes: number,
): Promise<EndlessBody> {
  const sending = request(url, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers } })
  const outcome: { status?: number | undefined; isOver: boolean } = { isOver: false }
  const over = new Promise<void>((resolve) => {
    const settle = () => {
      outcome.isOver = true
      resolve()
    }
    sending.once('response', ({ statusCode }) => {
      outcome.status = statusCode
      settle()
    })
    sending.once('close', settle)
  })
  // The server closes the connection in the middle of what we send.
  sending.on('error', () => {})
  const chunk = Buffer.alloc(16 * 1024, ' ')
  let sentBytes = 0
  while (!outcome.isOver && sentBytes < maxBytes) {
    const drained = new Promise((resolve) => sending.once('drain', resolve))
    if (!sending.write(chunk)) await Promise.race([drained, over])
    sentBytes += chunk.length
  }
  sending.destroy()
  return { status: outcome.status, sentBytes }
}
