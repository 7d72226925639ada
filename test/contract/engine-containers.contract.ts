import { describe, expect, test } from 'vitest'
import { expectCode } from '../helpers/expect-code.ts'
import { wholeProfile } from '../helpers/whole-profile.ts'
import type { EngineSubject } from './engine.contract.ts'

/** The part of the contract about containers. */
export function describeContainers(getSubject: () => EngineSubject): void {
  describe('containers', () => {
    test('are created, started, paused, unpaused, stopped and removed', async () => {
      const { containers } = getSubject().engine
      const spec = await getSubject().spec()
      const { id } = await containers.create(spec)
      expect(await containers.inspect(id)).toMatchObject({
        id,
        name: spec.name,
        state: 'created',
        startedAtMs: 0,
        exitCode: undefined,
      })

      const before = Date.now()
      await containers.start(id)
      const running = await containers.inspect(id)
      expect(running).toMatchObject({ state: 'running', oomKilled: false, exitCode: undefined })
      expect(running?.startedAtMs).toBeGreaterThan(before - 60_000)

      await containers.pause(id)
      expect((await containers.inspect(id))?.state).toBe('paused')
      await containers.unpause(id)
      expect((await containers.inspect(id))?.state).toBe('running')

      await containers.stop(id, { graceMs: 0 })
      expect(await containers.inspect(id)).toMatchObject({ state: 'exited', exitCode: 137 })
      await containers.start(id)
      expect((await containers.inspect(id))?.state).toBe('running')

      await containers.remove(id)
      expect(await containers.inspect(id)).toBeUndefined()
    })

    test('are found by name as well as by id', async () => {
      const { containers } = getSubject().engine
      const spec = await getSubject().spec()
      const { id } = await containers.create(spec)
      await containers.start(spec.name)
      expect((await containers.inspect(spec.name))?.id).toBe(id)
      await containers.remove(spec.name)
      expect(await containers.inspect(id)).toBeUndefined()
    })

    test('report the protections that are in force', async () => {
      const { containers } = getSubject().engine
      const spec = await getSubject().spec()
      const { id } = await containers.create(spec)
      expect((await containers.inspect(id))?.effective).toEqual(wholeProfile(spec))
    })

    test('are listed by all of the given labels, whatever their state', async () => {
      const { containers } = getSubject().engine
      const color = (value: string) => ({ labels: { ...getSubject().labels, color: value } })
      const red = await containers.create(await getSubject().spec(color('red')))
      const blue = await containers.create(await getSubject().spec(color('blue')))
      await containers.start(blue.id)

      const all = await containers.list(getSubject().labels)
      expect(all.map(({ id }) => id).sort()).toEqual([red.id, blue.id].sort())
      const [onlyBlue, ...others] = await containers.list({ ...getSubject().labels, color: 'blue' })
      expect(others).toEqual([])
      expect(onlyBlue).toMatchObject({ id: blue.id, state: 'running', labels: { color: 'blue' } })
      expect(await containers.list({ ...getSubject().labels, color: 'green' })).toEqual([])
    })

    test('have a unique name: of ten creates at once one wins', async () => {
      const spec = await getSubject().spec()
      const results = await Promise.allSettled(
        Array.from({ length: 10 }, () => getSubject().engine.containers.create(spec)),
      )
      const won = results.filter(({ status }) => status === 'fulfilled')
      const lost = results.filter((result) => result.status === 'rejected')
      expect(won).toHaveLength(1)
      for (const { reason } of lost) await expectCode(reason, 'already_exists')
      expect(await getSubject().engine.containers.list(getSubject().labels)).toHaveLength(1)
    })

    test('are not created from an image that is not there', async () => {
      const spec = await getSubject().spec({ image: 'sandbox-mcp/no-such-image:none' })
      await expectCode(getSubject().engine.containers.create(spec), 'image_unavailable')
      expect(await getSubject().engine.containers.list(getSubject().labels)).toEqual([])
    })

    test('never run as root', async () => {
      const { containers } = getSubject().engine
      await expectCode(containers.create(await getSubject().spec({ uid: 0 })), 'invalid_argument')
      await expectCode(containers.create(await getSubject().spec({ bridgeUid: 0 })), 'invalid_argument')
    })

    test('are removed again when the engine did not apply a protection', async () => {
      const weakened = await getSubject().weakened()
      try {
        const error = await expectCode(weakened.engine.containers.create(await getSubject().spec()), 'unsafe_engine')
        expect(error.details['mismatches']).toMatchObject([{ protection: 'pids' }])
        expect(await getSubject().engine.containers.list(getSubject().labels)).toEqual([])
      } finally {
        await weakened.close()
      }
    })

    test('take a repeated start, stop, pause and unpause as done', async () => {
      const { containers } = getSubject().engine
      const { id } = await containers.create(await getSubject().spec())
      await containers.start(id)
      await containers.start(id)
      await containers.unpause(id)
      await containers.pause(id)
      await containers.pause(id)
      await containers.unpause(id)
      await containers.stop(id, { graceMs: 0 })
      await containers.stop(id, { graceMs: 0 })
      expect((await containers.inspect(id))?.state).toBe('exited')
    })

    test('refuse what their state does not allow', async () => {
      const { containers } = getSubject().engine
      const { id } = await containers.create(await getSubject().spec())
      await expectCode(containers.pause(id), 'engine_failed')
      await expectCode(containers.unpause(id), 'engine_failed')
      await expectCode(containers.openStream(id, { command: ['true'], uid: 20_001 }), 'engine_failed')
      await containers.start(id)
      await containers.pause(id)
      await expectCode(containers.start(id), 'engine_failed')
      await expectCode(containers.openStream(id, { command: ['true'], uid: 20_001 }), 'engine_failed')
    })

    test('are stopped and removed while they are paused', async () => {
      const { containers } = getSubject().engine
      const stopped = await containers.create(await getSubject().spec())
      const removed = await containers.create(await getSubject().spec())
      for (const { id } of [stopped, removed]) {
        await containers.start(id)
        await containers.pause(id)
      }
      await containers.stop(stopped.id, { graceMs: 0 })
      expect((await containers.inspect(stopped.id))?.state).toBe('exited')
      await containers.remove(removed.id)
      expect(await containers.inspect(removed.id)).toBeUndefined()
    })

    test('are left as they are by a removal of what has ended, while they run or are paused', async () => {
      const { containers } = getSubject().engine
      const { id } = await containers.create(await getSubject().spec())
      await containers.start(id)
      await containers.remove(id, { unlessRunning: true })
      expect((await containers.inspect(id))?.state).toBe('running')
      await containers.pause(id)
      await containers.remove(id, { unlessRunning: true })
      expect((await containers.inspect(id))?.state).toBe('paused')
      await containers.stop(id, { graceMs: 0 })
      await containers.remove(id, { unlessRunning: true })
      expect(await containers.inspect(id)).toBeUndefined()
      const made = await containers.create(await getSubject().spec())
      await containers.remove(made.id, { unlessRunning: true })
      expect(await containers.inspect(made.id)).toBeUndefined()
    })

    test.each(['created', 'running', 'paused'] as const)('that are %s get other limits in place', async (state) => {
      const { containers } = getSubject().engine
      const spec = await getSubject().spec()
      const { id } = await containers.create(spec)
      if (state !== 'created') await containers.start(id)
      if (state === 'paused') await containers.pause(id)
      const before = await containers.inspect(id)
      const { memoryBytes, cpus, pids } = spec.limits
      // More, then less than at first.
      for (const [factor, more] of [
        [2, 10],
        [0.5, -10],
      ] as const) {
        await containers.update(id, { memoryBytes: memoryBytes * factor, cpus: cpus * factor, pids: pids + more })
        const after = await containers.inspect(id)
        expect(after).toEqual({
          ...before,
          effective: {
            ...before?.effective,
            memoryBytes: memoryBytes * factor,
            memorySwapBytes: memoryBytes * factor,
            nanoCpus: cpus * factor * 1e9,
            pids: pids + more,
          },
        })
      }
    })

    test('whose new limits the engine did not apply are told so', async () => {
      const { containers } = getSubject().engine
      const spec = await getSubject().spec()
      const { id } = await containers.create(spec)
      const weakened = await getSubject().weakened()
      try {
        const error = await expectCode(weakened.engine.containers.update(id, spec.limits), 'unsafe_engine')
        expect(error.details['mismatches']).toMatchObject([{ protection: 'pids' }])
      } finally {
        await weakened.close()
      }
    })

    test('are removed once by many at the same time, and then the name is free', async () => {
      const { containers } = getSubject().engine
      const spec = await getSubject().spec()
      const { id } = await containers.create(spec)
      await containers.start(id)
      await Promise.all(Array.from({ length: 5 }, () => containers.remove(spec.name)))
      await expect(containers.create(spec)).resolves.toHaveProperty('id')
    })

    test('that are missing are not found, and removing one is no error', async () => {
      const { containers } = getSubject().engine
      const missing = getSubject().name('missing')
      expect(await containers.inspect(missing)).toBeUndefined()
      await expect(containers.remove(missing)).resolves.toBeUndefined()
      await expectCode(containers.start(missing), 'not_found')
      await expectCode(containers.stop(missing), 'not_found')
      await expectCode(containers.pause(missing), 'not_found')
      await expectCode(containers.unpause(missing), 'not_found')
      await expectCode(containers.update(missing, (await getSubject().spec()).limits), 'not_found')
      await expectCode(containers.openStream(missing, { command: ['true'], uid: 20_001 }), 'not_found')
    })

    test('tell the exit code after they were killed from outside', async () => {
      const { containers } = getSubject().engine
      const { id } = await containers.create(await getSubject().spec())
      await containers.start(id)
      await getSubject().kill(id)
      await expect.poll(async () => (await containers.inspect(id))?.state).toBe('exited')
      expect(await containers.inspect(id)).toMatchObject({ exitCode: 137, oomKilled: false })
    })
  })
}
