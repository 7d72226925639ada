import { expect, test, vi } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { Readiness, type ReadinessCheck } from '../../../src/http/readiness.ts'

const fine = () => Promise.resolve()
const broken = () => Promise.reject(new SandboxError('engine_unreachable', 'unix:///secret.sock does not answer.'))

test('is ready when every check holds', async () => {
  expect(await new Readiness({ engine: fine, runtime: fine }).report()).toEqual({
    ready: true,
    checks: { engine: 'ok', runtime: 'ok' },
  })
})

test('names what fails by its code alone', async () => {
  const bug = () => Promise.reject(new TypeError('a bug in /srv/app'))
  expect(await new Readiness({ engine: broken, runtime: bug, other: fine }).report()).toEqual({
    ready: false,
    checks: { engine: 'engine_unreachable', runtime: 'internal', other: 'ok' },
  })
})

test('a check that never ends is answered at the deadline, and is told that nobody waits for it', async () => {
  let told: AbortSignal | undefined
  const hung = (signal: AbortSignal) => {
    told = signal
    return new Promise<void>(() => {})
  }
  const readiness = new Readiness({ engine: hung, runtime: fine }, {}, { deadlineMs: 20, holdMs: 0 })
  expect(await readiness.report()).toEqual({ ready: false, checks: { engine: 'timeout', runtime: 'ok' } })
  expect(told?.aborted).toBe(true)
})

test('any number of probes at once make one look, whose answer holds for a moment', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const pending = deferred<void>()
    const engine = vi.fn<() => Promise<void>>(() => pending.promise)
    const readiness = new Readiness({ engine }, {}, { deadlineMs: 2000, holdMs: 1000 })
    const reports = Array.from({ length: 100 }, () => readiness.report())
    // However long the look takes, nobody starts a second one.
    vi.advanceTimersByTime(5000)
    reports.push(readiness.report())
    pending.resolve()
    expect((await Promise.all(reports)).every(({ ready }) => ready)).toBe(true)
    expect(engine).toHaveBeenCalledTimes(1)

    engine.mockImplementation(broken)
    vi.advanceTimersByTime(999)
    expect((await readiness.report()).ready).toBe(true)
    vi.advanceTimersByTime(1)
    expect((await readiness.report()).ready).toBe(false)
    expect(engine).toHaveBeenCalledTimes(2)
  } finally {
    vi.useRealTimers()
  }
})

test('a warning is told and makes nobody unready', async () => {
  const full: ReadinessCheck = () => Promise.reject(new SandboxError('engine_disk_full', 'full'))
  expect(await new Readiness({ engine: fine }, { disk: full }).report()).toEqual({
    ready: true,
    checks: { engine: 'ok', disk: 'engine_disk_full' },
  })
})
