import { describe, expect, test } from 'vitest'
import { dueStep, LADDER, noticeFrom, transition } from '../../../src/registry/ladder.ts'

const TIMES = { freeze: 1000, evict: 5000, archive: 60_000 }

describe('the step that is due', () => {
  test.each([
    ['ready', 999, undefined],
    ['ready', 1000, 'frozen'],
    ['ready', 4999, 'frozen'],
    ['ready', 5000, 'evicted'],
    ['frozen', 4999, undefined],
    ['frozen', 5000, 'evicted'],
    ['evicted', 59_999, undefined],
    ['evicted', 60_000, 'archived'],
    ['archived', 1e12, undefined],
    ['starting', 1e12, undefined],
    ['absent', 1e12, undefined],
  ] as const)('for one that is %s after %d ms is %s', (rung, idleMs, to) => {
    expect(dueStep(rung, idleMs, TIMES)?.to).toBe(to)
  })

  test('leaves out each step whose time is 0', () => {
    expect(dueStep('ready', 1e12, { ...TIMES, freeze: 0 })?.to).toBe('evicted')
    expect(dueStep('ready', 1e12, { ...TIMES, evict: 0 })?.to).toBe('frozen')
    expect(dueStep('frozen', 1e12, { ...TIMES, evict: 0 })).toBeUndefined()
    expect(dueStep('evicted', 1e12, { ...TIMES, archive: 0 })).toBeUndefined()
  })
})

test('nothing that happens has two outcomes on one rung, but for idle times that differ', () => {
  const keys = LADDER.flatMap(({ from, on, after }) => on.map((trigger) => `${from} ${trigger} ${after ?? ''}`))
  const withoutIdle = keys.filter((key) => !key.includes(' idle '))
  expect(new Set(withoutIdle.map((key) => key.split(' ').slice(0, 2).join(' '))).size).toBe(withoutIdle.length)
  expect(new Set(keys).size).toBe(keys.length)
})

test('a call brings a sandbox back from every rung that it can rest on', () => {
  const wokenFrom = LADDER.filter(({ on }) => on.includes('call')).map(({ from }) => from)
  const resting = new Set(LADDER.map(({ to }) => to).filter((to) => to !== 'starting' && to !== 'ready'))
  expect(new Set(wokenFrom)).toEqual(resting)
  for (const rung of resting) expect(transition(rung, 'call')?.to).toMatch(/^(starting|ready)$/)
})

test('only what was frozen comes back with its processes', () => {
  expect(noticeFrom('absent')).toBe('created')
  expect(noticeFrom('frozen')).toBe('thawed')
  expect(noticeFrom('evicted')).toBe('resumed')
  expect(noticeFrom('archived')).toBe('resumed')
})
