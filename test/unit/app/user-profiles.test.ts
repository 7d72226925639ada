import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { userProfiles } from '../../../src/app/user-profiles.ts'

function profiles(flags: Record<string, string>) {
  return userProfiles(loadConfig({ flags, env: {} }).config)
}

test('a user’s runtime is what `users` says, else `runtimes`, else the default', () => {
  const { of } = profiles({
    runtime: 'one',
    runtimes: 'ada=two,bob=two',
    users: JSON.stringify({ ada: { runtime: 'three' } }),
  })
  expect(['ada', 'bob', 'cyd'].map((user) => of(user).runtime)).toEqual(['three', 'two', 'one'])
})

test('a user’s limits stand beside everybody’s, and the sweep knows the shortest idle time', () => {
  const users = JSON.stringify({ ada: { memory: '1GiB', idleTimeout: '1m' }, bob: { idleTimeout: 0 } })
  const { of, named, shortestIdleMs } = profiles({ 'idle-timeout': '30m', users })
  expect(named).toEqual(['ada', 'bob'])
  expect(of('ada')).toMatchObject({ limits: { memoryBytes: 1024 ** 3 }, idleTimeoutMs: 60_000 })
  expect(of('bob')).toMatchObject({ limits: {}, idleTimeoutMs: 0 })
  expect(of('cyd')).toMatchObject({ limits: {}, idleTimeoutMs: 1_800_000 })
  expect(shortestIdleMs).toBe(60_000)
  expect(profiles({ 'idle-timeout': '0' }).shortestIdleMs).toBe(0)
})

test('--workspace and --attach are about the one user, before what the file says', () => {
  const users = JSON.stringify({ ada: { mode: 'ephemeral', idleTimeout: '1m' } })
  const bind = profiles({ user: 'ada', workspace: '/home/ada/src', users })
  expect(bind.of('ada')).toMatchObject({ mode: { name: 'bind', directory: '/home/ada/src' }, idleTimeoutMs: 60_000 })
  expect(bind.of('bob').mode).toBeUndefined()
  const attach = profiles({ user: 'ada', attach: 'dev', workspace: '/src' })
  expect(attach.of('ada').mode).toEqual({ name: 'attach', container: 'dev', directory: '/src', uid: undefined })
})

test('nobody over HTTP gets a directory of the host, unless the operator allows it', () => {
  const users = JSON.stringify({ ada: { directory: '/home/ada/src' } })
  expect(profiles({ users }).of('ada').mode?.name).toBe('bind')
  expect(profiles({ users, transport: 'http', 'http-bind': 'true' }).of('ada').mode?.name).toBe('bind')
  for (const flags of [{ users }, { user: 'ada', workspace: '/home/ada/src' }]) {
    expect(() => profiles({ ...flags, transport: 'http' })).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining('ada') }),
    )
  }
})
