import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream'
import { basicLogin } from './basic-login.ts'

export interface LoginProxy extends AsyncDisposable {
  /** Its address, with the login in it. */
  readonly url: string
  /** Paths that were given out, all of them to whoever had the login. */
  readonly given: readonly string[]
}

export interface LoginProxyOptions {
  /** The public server behind it. */
  readonly upstream: string
  /** "user:password", without which nothing is given. */
  readonly login: string
  /** Certificates (PEM) that the upstream's is checked with, where the system's do not do. */
  readonly ca?: string | undefined
}

/** Headers that make an answer the same as the upstream's. */
const ASKED = ['accept', 'range', 'if-range', 'if-modified-since'] as const
const GIVEN = ['content-type', 'content-length', 'content-range', 'accept-ranges', 'last-modified', 'location'] as const

/** A private mirror on this machine of a public index: the same files, for those who have the login. Addresses in JSON lead back to it. */
export async function startLoginProxy({ upstream, login, ca }: LoginProxyOptions): Promise<LoginProxy> {
  const given: string[] = []
  const base = upstream.replace(/\/$/, '')
  const server = createServer((request, response) => {
    const { authorization, host } = request.headers
    if (authorization !== basicLogin(login)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="mirror"' }).end()
      return
    }
    const path = request.url ?? '/'
    given.push(path)
    ask(`${base}${path}`, request, ca).then(
      (answer) => pass(answer, response, base, `http://${host}`),
      () => response.writeHead(502).end(),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://${login}@127.0.0.1:${(server.address() as AddressInfo).port}/`,
    given,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

function ask(url: string, { headers }: IncomingMessage, ca: string | undefined): Promise<IncomingMessage> {
  const passed = Object.fromEntries(
    ASKED.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
  )
  return new Promise((resolve, reject) => {
    const asking = url.startsWith('https:')
      ? httpsRequest(url, { headers: passed, ...(ca !== undefined && { ca }) }, resolve)
      : httpRequest(url, { headers: passed }, resolve)
    asking.on('error', reject).end()
  })
}

async function pass(answer: IncomingMessage, response: ServerResponse, from: string, to: string): Promise<void> {
  const headers = Object.fromEntries(
    GIVEN.flatMap((name) => (answer.headers[name] ? [[name, answer.headers[name]]] : [])),
  )
  if (/json/.test(answer.headers['content-type'] ?? '')) {
    const content = (await text(answer)).replaceAll(from, to)
    response
      .writeHead(answer.statusCode ?? 502, { ...headers, 'content-length': Buffer.byteLength(content) })
      .end(content)
    return
  }
  response.writeHead(answer.statusCode ?? 502, headers)
  // Clients close a connection when they have read enough.
  pipeline(answer, response, () => undefined)
}
