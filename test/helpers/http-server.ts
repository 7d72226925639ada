import { vi } from 'vitest'
import { type ServerOptions, TestServer } from './start-server.ts'

/** A server process that clients reach over HTTP. */
export interface HttpServer extends AsyncDisposable {
  readonly process: TestServer
  readonly address: URL
}

/** Starts `serve --transport http` on a free port of loopback. `await using` ends it with SIGTERM. */
export async function startHttpServer({ args = [], ...options }: ServerOptions = {}): Promise<HttpServer> {
  const process = new TestServer({ ...options, args: ['serve', '--transport', 'http', '--port', '0', ...args] })
  const dispose = async () => {
    process.kill('SIGTERM')
    await process[Symbol.asyncDispose]()
  }
  try {
    const address = await vi.waitFor(
      () => {
        const line = process.log.find((each) => typeof each['address'] === 'string')
        if (!line) throw new Error(`the server does not listen:\n${process.stderr}`)
        return new URL(String(line['address']))
      },
      { timeout: 60_000 },
    )
    return { process, address, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}
