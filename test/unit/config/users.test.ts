import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { isSandboxError } from '../../../src/errors/sandbox-error.ts'

function load(users: unknown) {
  return loadConfig({ flags: { users: JSON.stringify(users) }, env: {} }).config.users
}

function refusal(users: unknown): string {
  try {
    load(users)
  } catch (error) {
    if (isSandboxError(error, 'config_invalid')) return error.message
    throw error
  }
  throw new Error('it was accepted')
}

test('what is said about a user is checked and brought into bytes and milliseconds', () => {
  const users = load({
    ada: { runtime: 'polyglot', memory: '1GiB', cpus: 2, pids: 128, workspaceSize: '5GiB', idleTimeout: '5m' },
  })
  expect(users.get('ada')).toEqual({
    runtime: 'polyglot',
    mode: undefined,
    memory: 1024 ** 3,
    cpus: 2,
    pids: 128,
    workspaceSize: 5 * 1024 ** 3,
    idleTimeout: 300_000,
  })
})

test('a container means attach, a directory bind', () => {
  const users = load({ ada: { container: 'dev', directory: '/src', uid: 1000 }, bob: { directory: '/home/bob/src' } })
  expect(users.get('ada')?.mode).toBe('attach')
  expect(users.get('bob')?.mode).toBe('bind')
})

test.each([
  [{ mode: 'bind' }, 'ada: mode bind needs directory'],
  [{ mode: 'attach' }, 'ada: mode attach needs container'],
  [{ mode: 'ephemeral', directory: '/src' }, 'ada: directory does not go with mode ephemeral'],
  [{ uid: 1000 }, 'ada: uid does not go with mode persistent'],
  [{ container: 'dev', memory: '1GiB' }, 'ada: memory does not go with mode attach'],
  [{ directory: '/src', workspaceSize: '1GiB' }, 'ada: workspaceSize does not go with mode bind'],
  [{ directory: 'src' }, 'ada.directory: give an absolute path'],
  [{ container: 'dev', uid: 0 }, 'ada.uid'],
  [{ container: '../x' }, 'ada.container: give the name or the id of a container'],
  [{ memroy: 1 }, 'memroy'],
])('%j is refused, naming the user and the field', (settings, told) => {
  expect(refusal({ ada: settings })).toContain(told)
})

test('several faults are all told', () => {
  const message = refusal({ ada: { mode: 'bind' }, bob: { pids: 1 } })
  expect(message).toContain('ada: mode bind needs directory')
  expect(message).toContain('bob.pids')
})
