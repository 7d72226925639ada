import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startHttpServer } from '../helpers/start-http-server.ts'
import { useInstallation } from '../helpers/installation.ts'
import { startSocketProxy } from '../helpers/socket-proxy.ts'

const installation = useInstallation()

async function probe(address: URL, path: string) {
  const answer = await fetch(new URL(path, address))
  return { status: answer.status, body: await answer.json() }
}

const READY = { status: 200, body: { status: 'ready', checks: { engine: 'ok', runtime: 'ok', disk: 'ok' } } }

/** A server whose engine's socket can go away. */
async function behindProxy(settings: Readonly<Record<string, string>> = {}) {
  const { socketPath } = installation.address
  if (socketPath === undefined) throw new Error('this test needs an engine that is reached by a unix socket')
  const proxy = await startSocketProxy(socketPath, {})
  onTestFinished(() => proxy.stop())
  const env = { DOCKER_HOST: `unix://${proxy.socketPath}` }
  const started = await startHttpServer({ installation: installation.name, env, settings })
  onTestFinished(() => started[Symbol.asyncDispose]())
  const { address } = started
  return { proxy, address }
}

describe('/readyz', () => {
  test('is 503 while the engine’s socket is gone, and 200 again when it is back; /healthz is 200 all the time', async () => {
    const { proxy, address } = await behindProxy()
    expect(await probe(address, '/readyz')).toEqual(READY)
    await proxy.stop()
    await vi.waitFor(
      async () =>
        expect(await probe(address, '/readyz')).toEqual({
          status: 503,
          body: {
            status: 'not ready',
            failed: ['engine', 'runtime'],
            checks: { engine: 'engine_unreachable', runtime: 'engine_unreachable', disk: 'ok' },
          },
        }),
      { timeout: 10_000, interval: 100 },
    )
    expect(await probe(address, '/healthz')).toEqual({ status: 200, body: { status: 'ok' } })
    await proxy.start()
    await vi.waitFor(async () => expect(await probe(address, '/readyz')).toEqual(READY), {
      timeout: 10_000,
      interval: 100,
    })
  })

  test('asks the engine no more often for a thousand probes than for one a second', async () => {
    const { address } = await behindProxy()
    const readCalls = async () => {
      const text = await (await fetch(new URL('/metrics', address))).text()
      return Number(/^sandbox_mcp_engine_call_duration_seconds_count\{operation="ping"\} (\d+)$/m.exec(text)?.[1] ?? 0)
    }
    const before = await readCalls()
    const started = performance.now()
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 50 }, () => probe(address, '/readyz')))
    }
    const seconds = (performance.now() - started) / 1000
    expect((await readCalls()) - before).toBeLessThanOrEqual(1 + Math.ceil(seconds))
  })

  test('names the image of the default runtime when it is not there', async () => {
    // Its base is nowhere, so it cannot be built either.
    const runtime = { name: 'unbuildable', base_image: 'registry.invalid/none:1', description: 'for a test' }
    const { address } = await behindProxy({
      'custom-runtimes': JSON.stringify([runtime]),
      runtime: 'unbuildable',
    })
    expect(await probe(address, '/readyz')).toMatchObject({
      status: 503,
      body: { failed: ['runtime'], checks: { engine: 'ok', runtime: 'image_unavailable' } },
    })
  })
})
