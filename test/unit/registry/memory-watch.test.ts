import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { silentLogger } from '../../../src/lib/logger.ts'
import {
  availableOf,
  type MemoryReading,
  MemoryWatch,
  type MemoryWatchDeps,
  stalledOf,
} from '../../../src/registry/memory-watch.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const MIB = 1024 ** 2

/** A watch over readings that a test sets, and how many sandboxes it has put to sleep. */
function watched(overrides: Partial<MemoryWatchDeps> = {}) {
  const state = { reading: { availableBytes: 1024 * MIB, stalledPercent: 0 } as MemoryReading | undefined, evicted: 0 }
  const said: string[] = []
  const watch = new MemoryWatch({
    read: () => Promise.resolve(state.reading),
    floorBytes: 256 * MIB,
    evictLongestIdle: () => {
      state.evicted++
      return Promise.resolve(true)
    },
    logger: { ...silentLogger, info: (_, text) => said.push(text), warn: (_, text) => said.push(text) },
    ...overrides,
  })
  return { state, said, watch }
}

const LOOK_MS = 2000

test('one sandbox goes to sleep at each look as long as memory is short, and none afterwards', async () => {
  const { state, said, watch } = watched()
  watch.start()
  await vi.advanceTimersByTimeAsync(LOOK_MS * 3)
  expect(state.evicted).toBe(0)
  state.reading = { availableBytes: 255 * MIB, stalledPercent: 0 }
  await vi.advanceTimersByTimeAsync(LOOK_MS * 3)
  expect(state.evicted).toBe(3)
  expect(said).toEqual(['memory is short: idle sandboxes go to sleep'])
  state.reading = { availableBytes: 256 * MIB, stalledPercent: 0 }
  await vi.advanceTimersByTimeAsync(LOOK_MS * 3)
  expect(state.evicted).toBe(3)
  watch.stop()
})

test('memory is short, too, when everything waits for it', async () => {
  const { state, watch } = watched()
  state.reading = { availableBytes: 1024 * MIB, stalledPercent: 21 }
  watch.start()
  await vi.advanceTimersByTimeAsync(0)
  expect(state.evicted).toBe(1)
  watch.stop()
})

test('memory that cannot be measured is looked at once, and the log says so', async () => {
  const read = vi.fn<MemoryWatchDeps['read']>(() => Promise.resolve(undefined))
  const { said, watch } = watched({ read })
  watch.start()
  await vi.advanceTimersByTimeAsync(LOOK_MS * 5)
  expect(read).toHaveBeenCalledTimes(1)
  expect(said).toEqual([expect.stringContaining('not watched')])
  expect(vi.getTimerCount()).toBe(0)
})

test('a floor of 0 is never looked at', async () => {
  const read = vi.fn<MemoryWatchDeps['read']>(() => Promise.resolve(undefined))
  watched({ read, floorBytes: 0 }).watch.start()
  await vi.advanceTimersByTimeAsync(LOOK_MS * 2)
  expect(read).not.toHaveBeenCalled()
})

test('a watch that is stopped while it reads does not go on', async () => {
  const { state, watch } = watched()
  state.reading = { availableBytes: 0, stalledPercent: 0 }
  watch.start()
  watch.stop()
  await vi.advanceTimersByTimeAsync(LOOK_MS * 2)
  expect(state.evicted).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

test('the files of /proc are read in the form that their pages give', () => {
  const meminfo =
    'MemTotal:       24683656 kB\nMemFree:        22919328 kB\nMemAvailable:   23859852 kB\nBuffers: 1 kB\n'
  expect(availableOf(meminfo)).toBe(23_859_852 * 1024)
  expect(availableOf('MemTotal: 1 kB\n')).toBeUndefined()
  const pressure = 'some avg10=1.50 avg60=0.00 avg300=0.00 total=2\nfull avg10=12.34 avg60=0.00 avg300=0.00 total=1\n'
  expect(stalledOf(pressure)).toBe(12.34)
  expect(stalledOf('')).toBeUndefined()
})
