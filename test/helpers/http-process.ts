import { vi } from 'vitest'
import { type ServerOptions, TestServer } from './start-server.ts'

/** A server process that listens on a free port of loopback. Disposing it sends SIGTERM and waits for its end. */
export interface HttpProcess extends AsyncDisposable {
  readonly server: TestServer
  readonly address: URL
}

/** Starts `sandbox-mcp serve --transport http` with these settings by flag, and waits until it listens. */
export async function startHttpProcess(
  options: ServerOptions,
  settings: Readonly<Record<string, string>> = {},
): Promise<HttpProcess> {
  const flags = Object.entries({ transport: 'http', port: '0', ...settings }).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ])
  const server = new TestServer({ ...options, args: ['serve', ...flags] })
  const stop = async () => {
    server.kill('SIGTERM')
    const { code } = await server.exited
    if (code !== 0) throw new Error(`the server ended with ${code}:\n${server.stderr}`)
  }
  const ended = server.exited.then(() => {
    throw new Error(`the server did not start:\n${server.stderr}`)
  })
  const address = await Promise.race([
    vi.waitUntil(() => listeningOn(server), { timeout: 20_000, interval: 20 }),
    ended,
  ])
  ended.catch(() => {}) // from here on its end is the test's matter
  return { server, address, [Symbol.asyncDispose]: stop }
}

function listeningOn(server: TestServer): URL | undefined {
  const line = server.log.find(({ msg }) => msg.startsWith('listening on'))
  return typeof line?.['address'] === 'string' ? new URL(line['address']) : undefined
}
