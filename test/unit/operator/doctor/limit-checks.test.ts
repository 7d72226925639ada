import { expect, test } from 'vitest'
import { diskFinding } from '../../../../src/operator/doctor/disk-check.ts'
import { memoryFinding, workspaceCheck } from '../../../../src/operator/doctor/limit-checks.ts'

const GIB = 1024 ** 3
const DISK = { bytes: 100 * GIB, freeBytes: 50 * GIB, inodes: 1_000_000, freeInodes: 500_000 }

test.each([
  [{}, 'ok'],
  [{ freeBytes: 9 * GIB }, 'warn'],
  [{ freeInodes: 90_000 }, 'warn'],
  [{ freeBytes: 0.5 * GIB }, 'fail'],
  [{ freeInodes: 9_999 }, 'fail'],
  [{ inodes: 0, freeInodes: 0 }, 'ok'],
] as const)('a disk with %j is %s', (change, status) => {
  expect(diskFinding({ ...DISK, ...change }, '/var/lib/docker', GIB)).toMatchObject({ check: 'disk', status })
})

test('without a floor a full disk is a warning', () => {
  expect(diskFinding({ ...DISK, freeBytes: 0 }, '/', 0).status).toBe('warn')
})

test.each([
  [{}, 'ok', /watched/],
  [{ volumeOptions: { o: 'size={size}' } }, 'ok', /held by the kernel/],
  [{ volumeOptions: { type: 'nfs' } }, 'ok', /watched/],
  [{ workspaceSize: 0, workspaceFiles: 0 }, 'warn', /no limit/],
])('who holds the size of a workspace with %j is told', (change, status, found) => {
  const finding = workspaceCheck({ workspaceSize: GIB, workspaceFiles: 1000, volumeOptions: {}, ...change })
  expect(finding).toMatchObject({ status, found: expect.stringMatching(found) })
})

test('memory that cannot be seen, is plenty, or is short', () => {
  expect(memoryFinding(undefined, GIB)).toMatchObject({
    status: 'ok',
    found: expect.stringContaining('not to be seen'),
  })
  expect(memoryFinding({ availableBytes: 2 * GIB, stalledPercent: undefined }, GIB).status).toBe('ok')
  expect(memoryFinding({ availableBytes: GIB / 2, stalledPercent: 3 }, GIB)).toMatchObject({
    status: 'warn',
    found: '512 MiB available, stalled 3 %',
  })
})
