import { afterEach, describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import type { ProxyFault } from '../helpers/proxy-fault.ts'
import { type SocketProxy, startSocketProxy } from '../helpers/socket-proxy.ts'
import type { TestServer } from '../helpers/start-server.ts'

const installation = useInstallation()
const proxies: SocketProxy[] = []
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.stop()
})

/** A server that reaches the engine through a proxy with this fault. */
async function behind(fault: ProxyFault): Promise<TestServer> {
  const proxy = await startSocketProxy(installation.address.socketPath ?? '', fault)
  proxies.push(proxy)
  const env = { DOCKER_HOST: `unix://${proxy.socketPath}` }
  return await installation.start({ user: installation.newUser(), env })
}

/** An answer of the engine that it did not give. */
function failure(status: string, message: string): Buffer {
  const body = JSON.stringify({ message })
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`
  return Buffer.from(`${head}Connection: close\r\n\r\n${body}`)
}

// LC03
test('a container that could not be started once leaves nothing made and not started, and the next call has a sandbox', async () => {
  await using server = await behind({
    rules: [
      {
        method: 'POST',
        path: /\/containers\/.*\/start/,
        nth: 1,
        fault: { garbage: failure('500 Internal Server Error', 'OCI runtime create failed: try again') },
      },
    ],
  })
  const first = await server.call('shell_exec', { command: 'echo ran' })
  expect(first.isError ? first.text : first.structured.stdout).toMatch(/^(engine_failed: |ran\n$)/)
  expect(await server.output('echo served')).toBe('served')
  expect(await installation.containers(server.user)).toMatchObject([{ state: 'running' }])
})

// FD15
test('an engine without space for a container is told as a full disk, and asked again by the next call', async () => {
  const noSpace = failure('500 Internal Server Error', 'mkdir /var/lib/docker/overlay2/x: no space left on device')
  await using server = await behind({
    rules: [{ method: 'POST', path: /^\/containers\/create/, nth: 1, fault: { garbage: noSpace } }],
  })
  expect(await server.refusal('shell_exec', { command: 'true' })).toMatch(/^disk_full: /)
  expect(await server.output('echo served')).toBe('served')
})

describe('an engine that is far away', () => {
  // FD06
  test('with 100 ms of latency and jitter each way serves all, and a file comes whole', async () => {
    await using server = await behind({ latencyMs: 100, jitterMs: 50 })
    const content = 'x'.repeat(200_000)
    await server.call('write_file', { path: 'big', content })
    expect(await server.output('sha256sum < big; wc -c < big')).toMatch(/\n200000$/)
    const since = performance.now()
    expect(await server.output('echo far')).toBe('far')
    // One round trip: what the way costs, and no second one.
    expect(performance.now() - since).toBeGreaterThan(100)
    const texts = await Promise.all(Array.from({ length: 10 }, (_, at) => server.output(`echo ${at}`)))
    expect(texts).toEqual(Array.from({ length: 10 }, (_, at) => String(at)))
  })

  test('that gives its replies in drops of a hundred bytes serves all', async () => {
    await using server = await behind({ dripBytes: 100 })
    expect(await server.output('seq 100 | tail -1')).toBe('100')
  })
})

// FD08
test.each([
  ['POST', /^\/containers\/create/],
  ['POST', /\/containers\/.*\/start/],
  ['POST', /\/exec\/.*\/start/],
  ['POST', /^\/volumes\/create/],
])(
  'a reply to %s %s that is cut at its start is told as a fault of the engine, and the next call has one sandbox',
  async (method, path) => {
    await using server = await behind({ rules: [{ method, path, nth: 1, fault: { cutAfterBytes: 1 } }] })
    const first = await server.call('shell_exec', { command: 'echo ran' })
    expect(first.isError ? first.text : first.structured.stdout).toMatch(/^(engine_(unreachable|failed): |ran\n$)/)
    expect(await server.output('echo served')).toBe('served')
    expect(await installation.containers(server.user)).toHaveLength(1)
    expect(await installation.volumes(server.user)).toHaveLength(1)
  },
)
