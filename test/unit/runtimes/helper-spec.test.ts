import { expect, test } from 'vitest'
import { isAbandoned } from '../../../src/runtimes/helper-leftovers.ts'
import { type HelperDuty, helperSpec, SINCE_LABEL } from '../../../src/runtimes/helper-spec.ts'

const MIB = 1024 ** 2
const DUTY: HelperDuty = {
  image: 'sha256:1',
  labels: { role: 'copy' },
  uid: 1_100_001,
  env: {},
  command: ['/.sandbox/supervisor', 'hold', '20'],
  limits: { memoryBytes: 64 * MIB },
  network: 'none',
}

test('a helper has the bounds of a program that needs next to nothing, unless its duty needs more', () => {
  const limits = { cpus: 1, pids: 32, tmpBytes: MIB, spoolBytes: MIB, shmBytes: MIB, fileBytes: MIB, openFiles: 256 }
  expect(helperSpec(DUTY).limits).toEqual({ ...limits, memoryBytes: 64 * MIB })
  const more = helperSpec({ ...DUTY, limits: { ...DUTY.limits, openFiles: 4096 } })
  expect(more.limits).toEqual({ ...limits, memoryBytes: 64 * MIB, openFiles: 4096 })
})

test('no two helpers are named alike', () => {
  expect(helperSpec(DUTY).name).not.toBe(helperSpec(DUTY).name)
})

test('a helper tells since when it is there, so that one which nobody started is known', () => {
  const before = Date.now()
  const { name, image, labels } = helperSpec(DUTY)
  expect(labels).toMatchObject({ role: 'copy' })
  expect(Number(labels[SINCE_LABEL])).toBeGreaterThanOrEqual(before)
  const found = { id: '1', name, image, state: 'created' as const }
  expect(isAbandoned({ ...found, labels })).toBe(false)
  expect(isAbandoned({ ...found, labels: { ...labels, [SINCE_LABEL]: String(before - 5 * 60_000 - 1) } })).toBe(true)
  expect(isAbandoned({ ...found, state: 'exited', labels: {} })).toBe(false)
})
