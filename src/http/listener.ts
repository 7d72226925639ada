import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config/settings.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'

export type ListenerConfig = Pick<Config, 'host' | 'port'>

/** The socket that the server listens on, and its connections. */
export class Listener {
  readonly #server: Server
  readonly #config: ListenerConfig
  readonly #logger: Logger

  constructor(answer: RequestListener, config: ListenerConfig, logger: Logger) {
    this.#config = config
    this.#logger = logger
    // A missing Host is our own refusal: as JSON, and for HTTP/1.0 as well.
    this.#server = createServer({ requireHostHeader: false }, answer)
  }

  async listen(): Promise<URL> {
    const { host, port } = this.#config
    this.#server.listen(port, host)
    try {
      await once(this.#server, 'listening')
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
      throw new SandboxError('config_invalid', `Cannot listen on ${host}, port ${port} (${code}).`, { cause })
    }
    this.#server.on('error', (err) => this.#logger.error({ err }, 'The listening socket failed.'))
    const { address, family, port: bound } = this.#server.address() as AddressInfo
    return new URL(`http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`)
  }

  async close(drainMs: number): Promise<void> {
    const server = this.#server
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    const given = new AbortController()
    const late = delay(drainMs, undefined, { signal: given.signal }).then(
      () => server.closeAllConnections(),
      () => {},
    )
    await closed
    given.abort()
    await late
  }
}
