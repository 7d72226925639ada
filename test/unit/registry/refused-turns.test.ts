import { expect, test } from 'vitest'
import { RefusedTurns } from '../../../src/registry/refused-turns.ts'

test('a turn is kept for its time after the last refusal', () => {
  let now = 0
  const turns = new RefusedTurns(1000, () => now)
  turns.keep('a', -50)
  now = 999
  expect(turns.since('a')).toBe(-50)
  turns.keep('a', -50)
  now = 1998
  expect(turns.since('a')).toBe(-50)
  now = 1999
  expect(turns.since('a')).toBeUndefined()
})

test('a turn that was taken is forgotten', () => {
  const turns = new RefusedTurns(1000, () => 0)
  turns.keep('a', 0)
  turns.forget('a')
  expect(turns.since('a')).toBeUndefined()
  expect(turns.size).toBe(0)
})

test('those whose time is over are dropped with the next refusal, however often others are refused', () => {
  let now = 0
  const turns = new RefusedTurns(1000, () => now)
  turns.keep('a', 0)
  turns.keep('b', 0)
  now = 1
  turns.keep('a', 0)
  now = 1000
  turns.keep('d', now)
  expect(turns.size).toBe(2)
  expect(turns.since('a')).toBe(0)
})

test('however many are refused, a bounded number is remembered', () => {
  const turns = new RefusedTurns(1000, () => 0)
  for (let user = 0; user < 10_500; user++) turns.keep(String(user), user)
  expect(turns.size).toBe(10_000)
  expect(turns.since('499')).toBeUndefined()
  expect(turns.since('500')).toBe(500)
})
