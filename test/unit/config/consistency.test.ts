import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'

function load(flags: Record<string, string>) {
  return loadConfig({ flags, env: {} }).config
}

test('a freezing that would come after the eviction, or with it, is refused', () => {
  for (const freeze of ['30m', '31m']) {
    expect(() => load({ 'freeze-after': freeze })).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining('freezeAfter') }),
    )
  }
})

test('each step of the ladder can be left out', () => {
  expect(load({ 'freeze-after': '0', 'idle-timeout': '1s' })).toMatchObject({ freezeAfter: 0, idleTimeout: 1000 })
  expect(load({ 'freeze-after': '1h', 'idle-timeout': '0' })).toMatchObject({ freezeAfter: 3_600_000, idleTimeout: 0 })
  expect(load({ 'freeze-after': '29m' })).toMatchObject({ freezeAfter: 1_740_000, archiveAfter: 0 })
})
