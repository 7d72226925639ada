import { describe, expect, test } from 'vitest'
import { seccompProfile } from '../../../../src/engine/docker/seccomp.ts'

const profile = seccompProfile()
const allowed = new Set(
  profile.syscalls.filter(({ action }) => action === 'SCMP_ACT_ALLOW').flatMap(({ names }) => names),
)
const refused = new Set(
  profile.syscalls.filter(({ action }) => action === 'SCMP_ACT_ERRNO').flatMap(({ names }) => names),
)

describe('the seccomp profile', () => {
  test('refuses what it does not name', () => {
    expect(profile.defaultAction).toBe('SCMP_ACT_ERRNO')
  })

  test('allows no call that it refuses', () => {
    expect([...allowed].filter((name) => refused.has(name))).toEqual([])
  })

  test('names no call twice without arguments', () => {
    const plain = profile.syscalls.filter(({ args }) => args === undefined).flatMap(({ names }) => names)
    expect(plain.filter((name, index) => plain.indexOf(name) !== index)).toEqual([])
  })

  test('allows calls that depend on their arguments only with a condition', () => {
    for (const name of ['clone', 'socket', 'socketpair', 'personality', 'mknod', 'mknodat']) {
      const rules = profile.syscalls.filter(({ names, action }) => names.includes(name) && action === 'SCMP_ACT_ALLOW')
      expect(rules.length, name).toBeGreaterThan(0)
      expect(
        rules.every(({ args }) => (args?.length ?? 0) > 0),
        name,
      ).toBe(true)
    }
  })

  test('has no 32-bit architecture, whose socketcall no filter can look into', () => {
    expect(profile.archMap.map(({ subArchitectures }) => subArchitectures)).toEqual([[], []])
    expect(allowed.has('socketcall')).toBe(false)
  })

  test('is small enough to send with each create', () => {
    expect(JSON.stringify(profile).length).toBeLessThan(16 * 1024)
  })
})
