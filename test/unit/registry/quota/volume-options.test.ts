import { expect, test } from 'vitest'
import { volumeOptions } from '../../../../src/registry/quota/volume-options.ts'

const FACTS = { name: 'sandbox-mcp-0123', uid: 1_100_001, limits: { bytes: 1024 ** 3, files: 5000 } }

test('every fact is filled in, as often as it occurs', () => {
  const pattern = { type: 'tmpfs', device: 'tmpfs', o: 'size={size},nr_inodes={files},uid={uid},gid={uid},mode=700' }
  expect(volumeOptions(pattern, FACTS)).toEqual({
    type: 'tmpfs',
    device: 'tmpfs',
    o: 'size=1073741824,nr_inodes=5000,uid=1100001,gid=1100001,mode=700',
  })
  expect(volumeOptions({ device: '/dev/sandboxes/{name}' }, FACTS)).toEqual({
    device: '/dev/sandboxes/sandbox-mcp-0123',
  })
  expect(volumeOptions({}, FACTS)).toEqual({})
})

test.each(['{size}', '{files}'])('%s without a limit would make a volume without one, so it is refused', (word) => {
  const make = () => volumeOptions({ o: `x=${word}` }, { ...FACTS, limits: { bytes: 0, files: 0 } })
  expect(make).toThrow(expect.objectContaining({ code: 'config_invalid' }))
})

test('an unknown word is refused, also one that every object has', () => {
  for (const word of ['{user}', '{constructor}', '{toString}']) {
    expect(() => volumeOptions({ o: word }, FACTS)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  }
})
