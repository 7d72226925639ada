import express from 'express'
import { principalOf } from '../../src/http/principal.ts'

/** A route of the files API that tells whom the authentication found, and a stream that lasts as long as the credential does. */
export const whoAmI = express
  .Router()
  .get('/files/me', (request, response) => {
    const { user, scopes } = principalOf(request)
    response.json({ user, scopes: [...scopes] })
  })
  .get('/files/stream', (request, response) => {
    const { ended } = principalOf(request)
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': open\n\n')
    ended.addEventListener('abort', () => response.end(), { once: true })
  })

export interface Answer {
  readonly status: number
  readonly challenge: string | null
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever came
  readonly body: any
}

/** What a request with these headers gets from whoAmI. */
export async function askWho(
  address: URL,
  headers: Readonly<Record<string, string>> = {},
  path = '/files/me',
): Promise<Answer> {
  const answer = await fetch(new URL(path, address), { headers })
  const text = await answer.text()
  return {
    status: answer.status,
    challenge: answer.headers.get('www-authenticate'),
    body: text.startsWith('{') ? JSON.parse(text) : text,
  }
}

export function bearer(token: string): { Authorization: string } {
  return { Authorization: `Bearer ${token}` }
}
