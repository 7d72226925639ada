import http from 'node:http'
import https from 'node:https'
import { createInterface } from 'node:readline'

import { SetUpError } from './steps.mjs'

/** Milliseconds until a call that should be quick counts as unanswered. */
const defaultDeadlineMs = 10_000

/** What to do instead of DOCKER_HOST=ssh://…, which needs a client of its own. */
const sshHint =
  'Forward the socket (ssh -L /tmp/docker.sock:/var/run/docker.sock HOST) and set DOCKER_HOST=unix:///tmp/docker.sock.'

/** The engine answered with a fault. `status` is the HTTP status. */
export class EngineApiError extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/**
 * A small client of the Docker Engine API (https://docs.docker.com/reference/api/engine/), so that set-up needs neither the `docker`
 * command nor a package. The server itself uses dockerode. Paths carry no version: the engine then uses its newest.
 */
export class EngineApi {
  #connection
  #transport

  /**
   * `address` as the server's own discovery gives it (src/engine/docker/connect.ts): `socketPath`, or `protocol`, `host`, `port` and `tls`.
   */
  constructor(address) {
    if (address.protocol === 'ssh') throw new SetUpError(`Set-up cannot speak to an engine over ssh. ${sshHint}`)
    this.address = address
    this.#transport = address.protocol === 'https' ? https : http
    const { socketPath, host, port, tls } = address
    this.#connection = socketPath === undefined ? { host, port, ...tls } : { socketPath }
  }

  /** Opens a call and gives the response stream. `body` is a Buffer, a string or a readable stream. No deadline: pass `signal`. */
  async open(method, path, { query = {}, body, contentType, signal } = {}) {
    const request = this.#transport.request({
      ...this.#connection,
      method,
      path: `${path}?${new URLSearchParams(query)}`,
      headers: contentType === undefined ? {} : { 'content-type': contentType },
      signal,
    })
    const answered = new Promise((resolve, reject) => request.once('response', resolve).once('error', reject))
    if (body?.pipe) body.once('error', (error) => request.destroy(error)).pipe(request)
    else request.end(body)
    const response = await answered
    if (response.statusCode < 400) return response
    throw new EngineApiError(response.statusCode, messageOf(await textOf(response)))
  }

  /** A short call: gives the parsed JSON answer, the text when it is none, undefined when it is empty. `body` is sent as JSON. */
  async call(method, path, { query, body, deadlineMs = defaultDeadlineMs } = {}) {
    const json = body === undefined ? {} : { body: JSON.stringify(body), contentType: 'application/json' }
    const response = await this.open(method, path, { query, ...json, signal: AbortSignal.timeout(deadlineMs) })
    const text = await textOf(response)
    if (text === '') return undefined
    return response.headers['content-type']?.startsWith('application/json') ? JSON.parse(text) : text
  }

  /** As `call`, but undefined when the thing does not exist (404). */
  async find(path, options) {
    try {
      return await this.call('GET', path, options)
    } catch (error) {
      if (error instanceof EngineApiError && error.status === 404) return undefined
      throw error
    }
  }

  /** {version, arch} of the engine that answers here, or undefined when none does. `arch` is in Go's words: amd64, arm64. */
  async answers(deadlineMs = 3000) {
    try {
      const { Version, Arch } = await this.call('GET', '/version', { deadlineMs })
      return { version: Version, arch: Arch }
    } catch (error) {
      /** Why nobody answered; for messages. */
      this.silence = error
      return undefined
    }
  }
}

/** The messages of a response that reports its progress as one JSON object a line (pull, import, build). An error among them is thrown. */
export async function* progressOf(response) {
  for await (const line of createInterface({ input: response })) {
    if (line.trim() === '') continue
    const message = JSON.parse(line)
    if (message.error !== undefined) throw new EngineApiError(200, message.error)
    yield message
  }
}

async function textOf(response) {
  const chunks = []
  for await (const chunk of response) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** An error's body is {"message": "…"}; a proxy in between may say something else. */
function messageOf(text) {
  try {
    return JSON.parse(text).message ?? text
  } catch {
    return text.slice(0, 500)
  }
}
