import { afterEach, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { KeptAnswers } from '../../../src/lib/kept-answers.ts'

afterEach(() => vi.useRealTimers())

/** Answers "key#n" at the n-th question. */
function counting(max = 10) {
  let asked = 0
  const kept = new KeptAnswers((key) => Promise.resolve(`${key}#${++asked}`), { freshMs: 1000, max })
  return { kept, asked: () => asked }
}

test('an answer is asked for once while it is fresh, also by many at once', async () => {
  const { kept, asked } = counting()
  expect(await Promise.all([kept.of('a'), kept.of('a'), kept.of('b')])).toEqual(['a#1', 'a#1', 'b#2'])
  expect(await kept.of('a')).toBe('a#1')
  expect(asked()).toBe(2)
})

test('an old answer is given at once, and a new one fetched once for those who come later', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const { kept, asked } = counting()
  await kept.of('a')
  vi.advanceTimersByTime(1001)
  expect(await Promise.all([kept.of('a'), kept.of('a')])).toEqual(['a#1', 'a#1'])
  expect(await kept.of('a')).toBe('a#2')
  expect(asked()).toBe(2)
})

test('a failure is told to who asked, and not kept', async () => {
  const first = deferred<string>()
  const answers = [first.promise, Promise.resolve('second')]
  const kept = new KeptAnswers(() => answers.shift() ?? Promise.reject(new Error('too many')), {
    freshMs: 1000,
    max: 1,
  })
  const failing = kept.of('a')
  first.reject(new Error('no'))
  await expect(failing).rejects.toThrow('no')
  expect(await kept.of('a')).toBe('second')
})

test('no more than so many are held, the oldest goes first', async () => {
  const { kept } = counting(2)
  for (const key of ['a', 'b', 'c']) await kept.of(key)
  expect(await kept.of('c')).toBe('c#3')
  expect(await kept.of('b')).toBe('b#2')
  expect(await kept.of('a')).toBe('a#4')
})
