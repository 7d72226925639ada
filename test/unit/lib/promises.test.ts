import { describe, expect, test } from 'vitest'
import { abortable } from '../../../src/lib/abort.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { SingleFlight } from '../../../src/lib/single-flight.ts'

/** Counts the listeners that a signal has. */
function countedSignal(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController()
  const { signal } = controller
  let listeners = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--
    remove(...args)
  }
  return { controller, listeners: () => listeners }
}

describe('abortable', () => {
  test('gives the value or the error of the promise', async () => {
    await expect(abortable(Promise.resolve(1), undefined)).resolves.toBe(1)
    await expect(abortable(Promise.resolve(2), new AbortController().signal)).resolves.toBe(2)
    await expect(abortable(Promise.reject(new Error('x')), new AbortController().signal)).rejects.toThrow('x')
  })

  test('rejects with the reason as soon as the signal fires', async () => {
    const { controller } = countedSignal()
    const waiting = abortable(new Promise(() => {}), controller.signal)
    controller.abort(new Error('no longer wanted'))
    await expect(waiting).rejects.toThrow('no longer wanted')
  })

  test('leaves no listener behind', async () => {
    const { controller, listeners } = countedSignal()
    await abortable(Promise.resolve(1), controller.signal)
    expect(listeners()).toBe(0)
  })

  test('leaves no rejection unhandled when the signal has fired before', async () => {
    const unhandled: unknown[] = []
    const listener = (error: unknown) => unhandled.push(error)
    process.prependListener('unhandledRejection', listener)
    try {
      const work = deferred<never>()
      const waiting = abortable(work.promise, AbortSignal.abort(new Error('gone')))
      await expect(waiting).rejects.toThrow('gone')
      work.reject(new Error('the work failed later'))
      // Unhandled rejections are told after the microtasks of a turn.
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
    } finally {
      process.removeListener('unhandledRejection', listener)
    }
    expect(unhandled).toEqual([])
  })
})

test('a deferred promise settles from outside', async () => {
  const good = deferred<number>()
  const bad = deferred<number>()
  good.resolve(1)
  bad.reject(new Error('x'))
  await expect(good.promise).resolves.toBe(1)
  await expect(bad.promise).rejects.toThrow('x')
})

describe('a single flight', () => {
  test('is shared by all who ask for the same key meanwhile', async () => {
    const flights = new SingleFlight<number>()
    const work = deferred<number>()
    let started = 0
    const start = () => {
      started++
      return work.promise
    }
    const all = [flights.run('a', start), flights.run('a', start), flights.run('b', start)]
    work.resolve(7)
    expect(await Promise.all(all)).toEqual([7, 7, 7])
    expect(started).toBe(2)
  })

  test('is forgotten when it has ended, well or not', async () => {
    const flights = new SingleFlight<number>()
    await expect(flights.run('a', () => Promise.reject(new Error('x')))).rejects.toThrow('x')
    await expect(flights.run('a', () => Promise.resolve(1))).resolves.toBe(1)
    await expect(flights.run('a', () => Promise.resolve(2))).resolves.toBe(2)
  })
})
