import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { startInBackground } from '../helpers/processes.ts'
import { temporaryDirectory } from '../helpers/temporary-directory.ts'

/**
 * A server whose time of day is set while it runs, as by NTP after a long sleep or by a wrong RTC. Idle times, deadlines and holds are counted by clocks
 * that nobody sets. The supervisor is static, and a time namespace has no time of day of its own (time_namespaces(7)), so it cannot be tried like this: it
 * asks CLOCK_REALTIME for nothing but the start of a command that people read (supervisor/src/clock.h).
 */
const installation = useInstallation()

const DAY_MS = 86_400_000

/** libfaketime, a package of Debian and others, where a program finds it. */
const LIBRARY = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib']
  .map((directory) => join(directory, 'faketime/libfaketime.so.1'))
  .find((path) => existsSync(path))

/** The environment of a program with a clock of its own, and what sets that. */
async function ownClock() {
  const file = join(temporaryDirectory(), 'offset')
  const set = (offset: string) => writeFileSync(file, offset)
  set('+0')
  const env = {
    LD_PRELOAD: LIBRARY ?? '',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
  return { env, set }
}

describe.skipIf(!LIBRARY)('a clock that is set', () => {
  test.each(['+400d', '-400d'])('by %s in the middle of a command changes nothing of it', async (offset) => {
    const clock = await ownClock()
    const user = installation.newUser()
    await using server = await installation.start({ user, env: { ...clock.env, SANDBOX_IDLE_TIMEOUT: '10m' } })
    await server.exec('mkfifo gate')
    const id = await startInBackground(server, 'cat', { timeout_s: 600 })
    const [before] = await installation.containers(user)
    const answer = server.call('shell_exec', { command: 'echo began > begun; cat gate', timeout_s: 600 })
    await expect.poll(async () => (await server.exec('cat begun')).stdout).toBe('began\n')
    clock.set(offset)
    await server.output('echo open > gate')
    const { structured } = await answer
    expect(structured).toMatchObject({ status: 'exited', exit_code: 0, stdout: 'open\n' })
    expect(structured.duration_ms).toBeLessThan(60_000)
    expect(structured.duration_ms).toBeGreaterThanOrEqual(0)
    await server.call('process_write', { process_id: id, input: 'here\n', close_stdin: true })
    const page = await server.call('process_read', { process_id: id, until: 'here', wait_s: 20 })
    expect(page.structured.until_met).toBe(true)
    // The server's clock is really another one.
    const sleepsAt = async () => (await server.call('sandbox_info')).structured.sleeps_at as string | undefined
    await expect.poll(sleepsAt).toBeDefined()
    expect(Math.abs(Date.parse((await sleepsAt()) ?? '') - Date.now())).toBeGreaterThan(300 * DAY_MS)
    expect(await installation.containers(user)).toMatchObject([{ id: before?.id, state: 'running' }])
  })

  test('back by a day does not keep an idle sandbox awake, and forward puts no sandbox to sleep', async () => {
    const clock = await ownClock()
    const user = installation.newUser()
    await using server = await installation.start({ user, env: { ...clock.env, SANDBOX_IDLE_TIMEOUT: '2s' } })
    await startInBackground(server, 'sleep 4')
    clock.set('+1d')
    expect(await server.output('echo awake')).toBe('awake')
    clock.set('-1d')
    await expect.poll(() => installation.containers(user), { timeout: 30_000 }).toEqual([])
    expect((await server.exec('true')).notice).toContain('resumed')
  })

  test('400 days ahead does not make a server take another one’s sandbox for abandoned', async () => {
    const clock = await ownClock()
    clock.set('+400d')
    const user = installation.newUser()
    await using first = await installation.start({ user })
    await first.output('echo kept > file')
    // It sweeps at its start.
    await using ahead = await installation.start({ user, env: clock.env })
    expect(await ahead.exec('cat file')).toMatchObject({ stdout: 'kept\n' })
    expect((await first.exec('cat file')).notice).toBeUndefined()
  })
})
