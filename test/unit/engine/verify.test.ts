import { describe, expect, test } from 'vitest'
import type { EffectiveProfile } from '../../../src/engine/engine.ts'
import { findMismatches } from '../../../src/engine/verify.ts'
import { containerSpec } from '../../helpers/specs.ts'
import { wholeProfile } from '../../helpers/whole-profile.ts'

const spec = containerSpec({ name: 'box' })
const asWanted = wholeProfile(spec)

/** One weakening of each protection. */
const WEAKENED: { readonly [Protection in keyof EffectiveProfile]: EffectiveProfile[Protection] } = {
  user: '20001',
  memoryBytes: 0,
  memorySwapBytes: spec.limits.memoryBytes * 2,
  nanoCpus: 0,
  pids: -1,
  readOnlyRoot: false,
  privileged: true,
  capAdd: ['CAP_NET_RAW'],
  capsDropped: false,
  noNewPrivileges: false,
  seccomp: false,
  networkMode: 'bridge',
  pidMode: 'host',
  ipcMode: 'shareable',
  mounts: [{ type: 'bind', name: '', target: '/workspace', readOnly: false }],
}

describe('findMismatches', () => {
  test('finds none when all is as it was asked for', () => {
    expect(findMismatches(spec, asWanted)).toEqual([])
  })

  test.each(Object.entries(WEAKENED))('names %s when it alone is not in force', (protection, actual) => {
    const found = findMismatches(spec, { ...asWanted, [protection]: actual })
    expect(found).toEqual([{ protection, wanted: asWanted[protection as keyof EffectiveProfile], actual }])
  })

  test('takes a mount more for a mismatch', () => {
    const mounts = [...asWanted.mounts, { type: 'volume', name: 'other', target: '/other', readOnly: true }]
    expect(findMismatches(spec, { ...asWanted, mounts })).toHaveLength(1)
  })

  test('compares with the spec, not with a constant', () => {
    const online = { ...spec, network: 'bridge' as const, limits: { ...spec.limits, cpus: 0.5, pids: 128 } }
    expect(findMismatches(online, { ...asWanted, networkMode: 'bridge', nanoCpus: 5e8, pids: 128 })).toEqual([])
  })
})

describe('a container without a volume, on the host’s network', () => {
  const { volume: _, ...bare } = { ...spec, network: 'host' as const }
  const effective = { ...asWanted, networkMode: 'host', mounts: [] }

  test('is as it was asked for', () => {
    expect(findMismatches(bare, effective)).toEqual([])
  })

  test.each(Object.entries({ ...WEAKENED, networkMode: 'none' }))(
    'is refused when %s is not in force',
    (protection, actual) => {
      expect(findMismatches(bare, { ...effective, [protection]: actual }).map((each) => each.protection)).toEqual([
        protection,
      ])
    },
  )

  test('is refused with any mount', () => {
    const [mismatch] = findMismatches(bare, { ...effective, mounts: asWanted.mounts })
    expect(mismatch?.protection).toBe('mounts')
  })
})

test.each([
  ['another directory', { name: '/srv' }],
  ['a mount that shows on the host', { propagation: 'rshared' }],
  ['a read-only one', { readOnly: true }],
])('%s than the one that was asked for is named', (_what, other) => {
  const { volume: _volume, ...rest } = spec
  const bound = { ...rest, bind: { source: '/srv/ada', mountPath: '/workspace' } }
  const mount = { type: 'bind', name: '/srv/ada', target: '/workspace', readOnly: false, propagation: 'rprivate' }
  expect(findMismatches(bound, { ...asWanted, mounts: [mount] })).toEqual([])
  expect(findMismatches(bound, { ...asWanted, mounts: [{ ...mount, ...other }] })).toMatchObject([
    { protection: 'mounts' },
  ])
})
