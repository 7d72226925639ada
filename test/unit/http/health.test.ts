import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { healthRoutes, type HealthDeps } from '../../../src/http/health.ts'
import { startFront } from '../../helpers/http-front.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'

const fine = () => Promise.resolve()

async function probe(path: string, deps: Partial<HealthDeps> = {}, init: RequestInit = {}) {
  const { logger, lines } = recordingLogger()
  const health = healthRoutes({ checks: { engine: fine, runtime: fine }, isStopping: () => false, ...deps })
  const answer = await fetch(new URL(path, await startFront({ logger, routes: { health } })), init)
  const text = await answer.text()
  return { status: answer.status, type: answer.headers.get('content-type'), text, lines }
}

describe('/healthz', () => {
  test('answers while the process lives, whatever the engine does', async () => {
    const hung = () => new Promise<void>(() => {})
    expect(await probe('/healthz', { checks: { engine: hung }, isStopping: () => true })).toMatchObject({
      status: 200,
      type: 'application/json; charset=utf-8',
      text: '{"status":"ok"}',
    })
  })

  test('answers HEAD, as some probes send it', async () => {
    expect(await probe('/healthz', {}, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' })
  })
})

describe('/readyz', () => {
  test('is 200 when calls can be served', async () => {
    const { status, text } = await probe('/readyz')
    expect(status).toBe(200)
    expect(JSON.parse(text)).toEqual({ status: 'ready', checks: { engine: 'ok', runtime: 'ok' } })
  })

  test('is 503 and names what fails, without the text of the error', async () => {
    const engine = () => Promise.reject(new SandboxError('engine_unreachable', 'unix:///run/secret.sock is gone.'))
    const { status, text } = await probe('/readyz', { checks: { engine, runtime: fine } })
    expect(status).toBe(503)
    expect(JSON.parse(text)).toEqual({
      status: 'not ready',
      failed: ['engine'],
      checks: { engine: 'engine_unreachable', runtime: 'ok' },
    })
  })

  test('is 503 from when the server stops, without a question to the engine', async () => {
    let asked = 0
    const engine = () => {
      asked++
      return fine()
    }
    const { status, text } = await probe('/readyz', { checks: { engine }, isStopping: () => true })
    expect({ status, text, asked }).toEqual({ status: 503, text: '{"status":"stopping"}', asked: 0 })
  })
})
