import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import type { Archiver } from '../../../src/registry/archiver.ts'
import { sleepName } from '../../../src/registry/identity.ts'
import { failureOf } from '../../helpers/failure.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'
import { labIdentity, registryLab, type ServerOverrides } from '../../helpers/registry-lab.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] })
})
afterEach(() => void vi.useRealTimers())

const ADA = 'ada'
const HOUR = 3_600_000
/** As often as the sweep looks: at most every ten minutes. */
const LOOK = HOUR / 6

async function settle(): Promise<void> {
  for (let turn = 0; turn < 80; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** In steps, so that one look has ended before the next is due. */
async function passTime(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= LOOK) {
    await vi.advanceTimersByTimeAsync(Math.min(left, LOOK))
    await settle()
  }
}

/** A server that archives after an hour, and what it has archived. */
async function archivingLab(
  archive: Archiver['archive'] = () => Promise.resolve(true),
  overrides: ServerOverrides = {},
) {
  const lab = await registryLab()
  const { telemetry, told } = recordingTelemetry()
  const archived = vi.fn<Archiver['archive']>(archive)
  const archiver: Archiver = { archive: archived, restore: () => Promise.reject(new Error('nothing was archived')) }
  const make = () => lab.server({ archiveAfterMs: HOUR, archiver, telemetry, ...overrides })
  const server = make()
  /** A user who has files, and no container. */
  const sleeper = async (user: string) => {
    const other = lab.server()
    ;(await other.acquire(user)).release()
    await other.close(true)
  }
  const note = (user = ADA) => lab.engine.volumes.inspect(sleepName(labIdentity(user)))
  return { lab, server, make, archived, told, sleeper, note }
}

describe('a sandbox that sleeps', () => {
  test('is archived when it has slept for the time, counted from when that was first seen', async () => {
    const { server, archived, told, sleeper, note } = await archivingLab()
    await sleeper(ADA)
    await passTime(LOOK)
    expect(await note()).toBeDefined()
    await passTime(HOUR - 1)
    expect(archived).not.toHaveBeenCalled()
    await passTime(1)
    expect(archived).toHaveBeenCalledTimes(1)
    expect(archived.mock.calls[0]?.[0]).toMatchObject({ userHash: labIdentity(ADA).userHash })
    expect(told).toContainEqual(['sandboxArchived', 'ok'])
    expect(await note()).toBeUndefined()
    await server.close(false)
  })

  test('is archived in time although the server that saw it fall asleep is gone', async () => {
    const { server, make, archived, sleeper } = await archivingLab()
    await sleeper(ADA)
    await passTime(LOOK)
    await server.close(false)
    await passTime(HOUR)
    const next = make()
    expect(archived).not.toHaveBeenCalled()
    await passTime(LOOK)
    expect(archived).toHaveBeenCalledTimes(1)
    await next.close(false)
  })

  test('begins anew after each use', async () => {
    const { server, archived, sleeper, note } = await archivingLab()
    await sleeper(ADA)
    await passTime(LOOK * 6)
    expect(await note()).toBeDefined()
    ;(await server.acquire(ADA)).release()
    expect(await note()).toBeUndefined()
    await passTime(HOUR * 3)
    // It runs: this server puts nothing to sleep.
    expect(await note()).toBeUndefined()
    expect(archived).not.toHaveBeenCalled()
    await server.close(false)
  })

  test('begins anew after each use, also by a server that archives nothing', async () => {
    const { lab, server, make, archived, sleeper, note } = await archivingLab()
    await sleeper(ADA)
    await passTime(LOOK)
    expect(await note()).toBeDefined()
    await server.close(false)
    const without = lab.server()
    ;(await without.acquire(ADA)).release()
    expect(await note()).toBeUndefined()
    await passTime(HOUR)
    await without.close(true)
    const again = make()
    await passTime(HOUR)
    expect(archived).not.toHaveBeenCalled()
    await passTime(LOOK)
    expect(archived).toHaveBeenCalledTimes(1)
    await again.close(false)
  })

  test('begins anew when the clock was set back', async () => {
    const { server, archived, sleeper } = await archivingLab()
    await sleeper(ADA)
    await passTime(LOOK)
    vi.setSystemTime(Date.now() - 10 * HOUR)
    await passTime(HOUR)
    expect(archived).not.toHaveBeenCalled()
    await passTime(LOOK)
    expect(archived).toHaveBeenCalledTimes(1)
    await server.close(false)
  })

  test('of a session without a user is not archived', async () => {
    const { lab, server, archived } = await archivingLab()
    const { user } = server.anonymousUser()
    ;(await server.acquire(user)).release()
    for (const { id } of await lab.engine.containers.list({})) await lab.engine.containers.remove(id)
    await passTime(HOUR * 3)
    expect(archived).not.toHaveBeenCalled()
    await server.close(false)
  })
})

describe('a call that comes while the files are archived', () => {
  test('makes it give up, waits for that, and finds the files', async () => {
    const gaveUp = deferred<void>()
    const { lab, server, archived, told, sleeper } = await archivingLab(
      (_, options) =>
        new Promise((_resolve, reject) => {
          options?.signal?.addEventListener(
            'abort',
            () => void gaveUp.promise.then(() => reject(options.signal?.reason)),
          )
        }),
    )
    await sleeper(ADA)
    await passTime(LOOK)
    await passTime(HOUR)
    expect(archived).toHaveBeenCalledTimes(1)
    const acquiring = server.acquire(ADA)
    await settle()
    expect(await lab.container(ADA)).toBeUndefined()
    gaveUp.resolve()
    expect((await acquiring).notice).toBe('resumed')
    expect(told).toContainEqual(['sandboxArchived', 'undone'])
    await server.close(false)
  })

  test('of another user waits for nothing', async () => {
    const never = deferred<boolean>()
    const { server, sleeper } = await archivingLab(() => never.promise)
    await sleeper(ADA)
    await passTime(LOOK)
    await passTime(HOUR)
    expect((await server.acquire('grace')).notice).toBe('created')
    never.resolve(false)
    await server.close(false)
  })
})

test('a user with a call under way is not archived, whatever the note says', async () => {
  const image = deferred<void>()
  const { lab, server, archived, sleeper } = await archivingLab(undefined, {
    runtime: () => image.promise.then(() => lab.runtime),
  })
  await sleeper(ADA)
  await passTime(LOOK)
  const failing = failureOf(server.acquire(ADA))
  await settle()
  await lab.engine.volumes.ensure(sleepName(labIdentity(ADA)), {})
  await passTime(HOUR * 2)
  expect(archived).not.toHaveBeenCalled()
  image.resolve()
  await settle()
  expect(await failing).toMatchObject({ code: 'sandbox_starting' })
  await server.close(false)
})

test('archiving that fails is told, leaves the files, and is tried again', async () => {
  let fails = true
  const { lab, server, told, sleeper } = await archivingLab(() =>
    fails ? Promise.reject(new SandboxError('disk_full', 'no room')) : Promise.resolve(true),
  )
  await sleeper(ADA)
  await passTime(LOOK)
  await passTime(HOUR)
  expect(told).toContainEqual(['sandboxArchived', 'disk_full'])
  expect(await lab.engine.volumes.inspect(labIdentity(ADA).volumeName)).toBeDefined()
  fails = false
  await passTime(LOOK)
  expect(told).toContainEqual(['sandboxArchived', 'ok'])
  await server.close(false)
})

test('archiving that fails again and again is tried less and less often', async () => {
  const { server, archived, sleeper } = await archivingLab(() =>
    Promise.reject(new SandboxError('engine_failed', 'cannot be copied')),
  )
  await sleeper(ADA)
  await passTime(LOOK)
  await passTime(HOUR)
  const after: number[] = []
  for (let looks = 0; looks < 15; looks++) {
    after.push(archived.mock.calls.length)
    await passTime(LOOK)
  }
  // At once, then after 1, 2, 4 and 8 looks.
  expect(after).toEqual([1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4])
  expect(archived).toHaveBeenCalledTimes(5)
  await server.close(false)
})

test('closing the server ends an archiving, and waits for it', async () => {
  const { server, sleeper, told } = await archivingLab(
    (_, options) =>
      new Promise((_resolve, reject) => {
        options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))
      }),
  )
  await sleeper(ADA)
  await passTime(LOOK)
  await passTime(HOUR)
  await server.close(false)
  expect(told).toContainEqual(['sandboxArchived', 'undone'])
})

test('a time for archiving without a place for backups is refused', async () => {
  const lab = await registryLab()
  expect(() => lab.server({ archiveAfterMs: HOUR })).toThrow(expect.objectContaining({ code: 'config_invalid' }))
})
