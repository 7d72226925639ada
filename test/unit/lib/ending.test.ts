import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { ENDED, Ending } from '../../../src/lib/ending.ts'

test('what comes first is given: the value, the failure or the end', async () => {
  const end = deferred<undefined>()
  const ending = new Ending(end.promise)
  expect(await ending.or(Promise.resolve(1))).toBe(1)
  await expect(ending.or(Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  const waiting = ending.or(deferred<number>().promise)
  end.resolve(undefined)
  expect(await waiting).toBe(ENDED)
  expect(await ending.or(deferred<number>().promise)).toBe(ENDED)
})

test('an end that fails is an end', async () => {
  const end = deferred<undefined>()
  const waiting = new Ending(end.promise).or(deferred<number>().promise)
  end.reject(new Error('lost'))
  expect(await waiting).toBe(ENDED)
})

test('a failure after the end is nobody’s', async () => {
  const ending = new Ending(Promise.resolve())
  const late = deferred<number>()
  expect(await ending.or(late.promise)).toBe(ENDED)
  // An unhandled rejection would fail the run.
  late.reject(new Error('late'))
  await new Promise((next) => setImmediate(next))
})

test('values that have passed are not kept', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const ending = new Ending(deferred<undefined>().promise)
  const passed: WeakRef<object>[] = []
  for (let count = 0; count < 100; count++) {
    const value = { count }
    passed.push(new WeakRef(value))
    await ending.or(Promise.resolve(value))
  }
  // A reference that was looked at lives to the end of its turn.
  await new Promise((next) => setImmediate(next))
  collect()
  expect(passed.filter((each) => each.deref() !== undefined).length).toBeLessThanOrEqual(1)
  // So that it is not collected itself.
  expect(await ending.or(Promise.resolve(1))).toBe(1)
})
