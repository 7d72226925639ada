import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { ImageJanitor } from '../../../src/runtimes/image-janitor.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

function setUp(prune = vi.fn<() => Promise<void>>(() => Promise.resolve())) {
  const { logger, lines } = recordingLogger()
  return { prune, lines, janitor: new ImageJanitor({ prune, logger, firstMs: 1000, everyMs: 10_000 }) }
}

describe('old images are looked for', () => {
  test('a while after the start, and then from time to time', async () => {
    const { prune, janitor } = setUp()
    janitor.start()
    janitor.start()
    await vi.advanceTimersByTimeAsync(999)
    expect(prune).toHaveBeenCalledTimes(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(prune).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(prune).toHaveBeenCalledTimes(3)
  })

  test('after a build, though not by a program that is no server', async () => {
    const { prune, janitor } = setUp()
    janitor.built()
    expect(prune).not.toHaveBeenCalled()
    janitor.start()
    janitor.built()
    expect(prune).toHaveBeenCalledTimes(1)
  })

  test('once at a time, and no more once the server stops', async () => {
    const round = deferred<void>()
    const { prune, janitor } = setUp(vi.fn<() => Promise<void>>(() => round.promise))
    janitor.start()
    janitor.built()
    janitor.built()
    expect(prune).toHaveBeenCalledTimes(1)
    let hasStopped = false
    const stopping = janitor.stop().then(() => (hasStopped = true))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(hasStopped).toBe(false)
    round.resolve()
    await stopping
    janitor.built()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(prune).toHaveBeenCalledTimes(1)
  })

  test('again after a round that failed, which is a warning', async () => {
    const { prune, lines, janitor } = setUp(
      vi.fn<() => Promise<void>>(() => Promise.reject(new Error('the engine is down'))),
    )
    janitor.start()
    await vi.advanceTimersByTimeAsync(11_000)
    expect(prune).toHaveBeenCalledTimes(2)
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'warn'])
  })
})
