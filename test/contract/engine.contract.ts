import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ContainerSpec, Engine, Labels } from '../../src/engine/engine.ts'
import { CALLS } from './engine-calls.ts'
import { describeImages } from './engine-images.contract.ts'
import { describeStreams } from './engine-streams.contract.ts'
import { expectCode } from '../helpers/expect-code.ts'

/** One engine under test, with what the suite needs around it. Whoever made the engine closes it. */
export interface EngineSubject {
  readonly engine: Engine
  /** Labels of everything that the suite makes; nothing else on the engine has them. */
  readonly labels: Labels
  /** A name that nothing on the engine has. */
  name(prefix: string): string
  /** A spec with these labels; its volume exists. */
  spec(overrides?: Partial<ContainerSpec>): Promise<ContainerSpec>
  /** The same engine as a client that gets no answer: the other side takes the connection and is silent. */
  hung(): Promise<{ readonly engine: Engine; close(): Promise<void> }>
  /** The same engine, as one that says it did not apply the limit of processes. */
  weakened(): Promise<{ readonly engine: Engine; close(): Promise<void> }>
  /** Ends a running container from outside, as `docker kill` does. */
  kill(id: string): Promise<void>
  /** Removes everything with the labels. */
  cleanUp(): Promise<void>
}

/** What a driver cannot do, each with the reason. The tests in question then assert nothing, and say so. */
export interface Differences {
  /** A build runs no commands. */
  readonly noBuildSteps?: string
}

/** Rules that every driver keeps. Called once per driver, at the top of its test file. */
export function engineContract(driver: string, makeSubject: () => EngineSubject, differences: Differences = {}): void {
  describe(`engine contract: ${driver}`, () => {
    let subject: EngineSubject
    beforeAll(() => {
      subject = makeSubject()
    })
    afterEach(() => subject.cleanUp())

    describe('the engine', () => {
      test('answers a ping', async () => {
        await expect(subject.engine.ping()).resolves.toBeUndefined()
      })

      test('describes itself', async () => {
        const info = await subject.engine.info()
        expect(info.platform).toMatch(/^linux\/(amd64|arm64)$/)
        expect(info.version).toMatch(/^\d+\.\d+/)
        expect(info.apiVersion).toMatch(/^\d+\.\d+$/)
        expect(info.cpus).toBeGreaterThan(0)
        expect(info.memoryBytes).toBeGreaterThan(64 * 1024 * 1024)
        expect(info.seccomp).toBe(true)
        expect(info.ociRuntimes).toContain('runc')
        expect(subject.engine.driver).toBe(driver)
      })
    })

    describe('containers', () => {
      test('are created, started, paused, unpaused, stopped and removed', async () => {
        const { containers } = subject.engine
        const spec = await subject.spec()
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
        const { containers } = subject.engine
        const spec = await subject.spec()
        const { id } = await containers.create(spec)
        await containers.start(spec.name)
        expect((await containers.inspect(spec.name))?.id).toBe(id)
        await containers.remove(spec.name)
        expect(await containers.inspect(id)).toBeUndefined()
      })

      test('report the protections that are in force', async () => {
        const { containers } = subject.engine
        const spec = await subject.spec()
        const { id } = await containers.create(spec)
        expect((await containers.inspect(id))?.effective).toEqual({
          user: '20001:20001',
          memoryBytes: spec.limits.memoryBytes,
          memorySwapBytes: spec.limits.memoryBytes,
          nanoCpus: spec.limits.cpus * 1e9,
          pids: spec.limits.pids,
          readOnlyRoot: true,
          privileged: false,
          capAdd: [],
          capsDropped: true,
          noNewPrivileges: true,
          seccomp: true,
          networkMode: 'none',
          pidMode: '',
          ipcMode: 'private',
          mounts: [{ type: 'volume', name: spec.volume.name, target: '/workspace', readOnly: false }],
        })
      })

      test('are listed by all of the given labels, whatever their state', async () => {
        const { containers } = subject.engine
        const color = (value: string) => ({ labels: { ...subject.labels, color: value } })
        const red = await containers.create(await subject.spec(color('red')))
        const blue = await containers.create(await subject.spec(color('blue')))
        await containers.start(blue.id)

        const all = await containers.list(subject.labels)
        expect(all.map(({ id }) => id).sort()).toEqual([red.id, blue.id].sort())
        const [onlyBlue, ...others] = await containers.list({ ...subject.labels, color: 'blue' })
        expect(others).toEqual([])
        expect(onlyBlue).toMatchObject({ id: blue.id, state: 'running', labels: { color: 'blue' } })
        expect(await containers.list({ ...subject.labels, color: 'green' })).toEqual([])
      })

      test('have a unique name: of ten creates at once one wins', async () => {
        const spec = await subject.spec()
        const results = await Promise.allSettled(
          Array.from({ length: 10 }, () => subject.engine.containers.create(spec)),
        )
        const won = results.filter(({ status }) => status === 'fulfilled')
        const lost = results.filter((result) => result.status === 'rejected')
        expect(won).toHaveLength(1)
        for (const { reason } of lost) await expectCode(reason, 'already_exists')
        expect(await subject.engine.containers.list(subject.labels)).toHaveLength(1)
      })

      test('are not created from an image that is not there', async () => {
        const spec = await subject.spec({ image: 'sandbox-mcp/no-such-image:none' })
        await expectCode(subject.engine.containers.create(spec), 'image_unavailable')
        expect(await subject.engine.containers.list(subject.labels)).toEqual([])
      })

      test('never run as root', async () => {
        const { containers } = subject.engine
        await expectCode(containers.create(await subject.spec({ uid: 0 })), 'invalid_argument')
        await expectCode(containers.create(await subject.spec({ bridgeUid: 0 })), 'invalid_argument')
      })

      test('are removed again when the engine did not apply a protection', async () => {
        const weakened = await subject.weakened()
        try {
          const error = await expectCode(weakened.engine.containers.create(await subject.spec()), 'unsafe_engine')
          expect(error.details['mismatches']).toMatchObject([{ protection: 'pids' }])
          expect(await subject.engine.containers.list(subject.labels)).toEqual([])
        } finally {
          await weakened.close()
        }
      })

      test('take a repeated start, stop, pause and unpause as done', async () => {
        const { containers } = subject.engine
        const { id } = await containers.create(await subject.spec())
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
        const { containers } = subject.engine
        const { id } = await containers.create(await subject.spec())
        await expectCode(containers.pause(id), 'engine_failed')
        await expectCode(containers.unpause(id), 'engine_failed')
        await expectCode(containers.openStream(id, { command: ['true'], uid: 20_001 }), 'engine_failed')
        await containers.start(id)
        await containers.pause(id)
        await expectCode(containers.start(id), 'engine_failed')
        await expectCode(containers.openStream(id, { command: ['true'], uid: 20_001 }), 'engine_failed')
      })

      test('are stopped and removed while they are paused', async () => {
        const { containers } = subject.engine
        const stopped = await containers.create(await subject.spec())
        const removed = await containers.create(await subject.spec())
        for (const { id } of [stopped, removed]) {
          await containers.start(id)
          await containers.pause(id)
        }
        await containers.stop(stopped.id, { graceMs: 0 })
        expect((await containers.inspect(stopped.id))?.state).toBe('exited')
        await containers.remove(removed.id)
        expect(await containers.inspect(removed.id)).toBeUndefined()
      })

      test('are removed once by many at the same time, and then the name is free', async () => {
        const { containers } = subject.engine
        const spec = await subject.spec()
        const { id } = await containers.create(spec)
        await containers.start(id)
        await Promise.all(Array.from({ length: 5 }, () => containers.remove(spec.name)))
        await expect(containers.create(spec)).resolves.toHaveProperty('id')
      })

      test('that are missing are not found, and removing one is no error', async () => {
        const { containers } = subject.engine
        const missing = subject.name('missing')
        expect(await containers.inspect(missing)).toBeUndefined()
        await expect(containers.remove(missing)).resolves.toBeUndefined()
        await expectCode(containers.start(missing), 'not_found')
        await expectCode(containers.stop(missing), 'not_found')
        await expectCode(containers.pause(missing), 'not_found')
        await expectCode(containers.unpause(missing), 'not_found')
        await expectCode(containers.openStream(missing, { command: ['true'], uid: 20_001 }), 'not_found')
      })

      test('tell the exit code after they were killed from outside', async () => {
        const { containers } = subject.engine
        const { id } = await containers.create(await subject.spec())
        await containers.start(id)
        await subject.kill(id)
        await expect.poll(async () => (await containers.inspect(id))?.state).toBe('exited')
        expect(await containers.inspect(id)).toMatchObject({ exitCode: 137, oomKilled: false })
      })
    })

    describe('volumes', () => {
      test('keep the labels that they were made with', async () => {
        const { volumes } = subject.engine
        const name = subject.name('v')
        const labels = { ...subject.labels, color: 'red' }
        expect(await volumes.ensure(name, labels)).toEqual({ name, labels })
        expect(await volumes.ensure(name, { ...subject.labels, color: 'blue' })).toEqual({ name, labels })
        expect(await volumes.inspect(name)).toEqual({ name, labels })
      })

      test('are made once by many at the same time', async () => {
        const name = subject.name('v')
        await Promise.all(Array.from({ length: 10 }, () => subject.engine.volumes.ensure(name, subject.labels)))
        expect(await subject.engine.volumes.list(subject.labels)).toHaveLength(1)
      })

      test('are listed by all of the given labels', async () => {
        const { volumes } = subject.engine
        const name = subject.name('v')
        await volumes.ensure(name, { ...subject.labels, color: 'red' })
        await volumes.ensure(subject.name('v'), subject.labels)
        expect(await volumes.list(subject.labels)).toHaveLength(2)
        expect((await volumes.list({ ...subject.labels, color: 'red' })).map((volume) => volume.name)).toEqual([name])
      })

      test('outlive the container, are refused removal while in use, and are gone after it', async () => {
        const { containers, volumes } = subject.engine
        const spec = await subject.spec()
        const { id } = await containers.create(spec)
        await expectCode(volumes.remove(spec.volume.name), 'engine_failed')
        await containers.remove(id)
        expect(await volumes.inspect(spec.volume.name)).toEqual({ name: spec.volume.name, labels: subject.labels })
        await volumes.remove(spec.volume.name)
        expect(await volumes.inspect(spec.volume.name)).toBeUndefined()
        await expect(volumes.remove(spec.volume.name)).resolves.toBeUndefined()
      })
    })

    describe('events', () => {
      test('tell what happens to containers with the label, in order, until the signal fires', async () => {
        const { containers, events } = subject.engine
        const stop = new AbortController()
        const watched = { ...subject.labels, watched: 'yes' }
        const { id } = await containers.create(await subject.spec({ labels: watched }))
        const other = await containers.create(await subject.spec())

        const seen: string[] = []
        const done = (async () => {
          for await (const event of events(watched, stop.signal)) {
            expect(event.containerId).toBe(id)
            expect(event.labels).toMatchObject(watched)
            expect(event.timeMs).toBeGreaterThan(1_600_000_000_000)
            seen.push(event.type)
          }
        })()
        await containers.start(id)
        // The subscription is a request of its own: pause until one of its events has come.
        await expect
          .poll(async () => {
            await containers.pause(id)
            await containers.unpause(id)
            return seen.length
          })
          .toBeGreaterThan(0)
        await expect.poll(() => seen.at(-1)).toBe('unpause')
        seen.length = 0

        await containers.start(other.id)
        await containers.pause(id)
        await containers.unpause(id)
        await subject.kill(id)
        await containers.remove(id)
        await expect.poll(() => seen).toEqual(['pause', 'unpause', 'die', 'destroy'])
        stop.abort()
        await expect(done).resolves.toBeUndefined()
      })
    })

    describe('every call', () => {
      test.each(CALLS)('$name ends by its deadline when nobody answers', async ({ run }) => {
        const hung = await subject.hung()
        try {
          const startedAt = performance.now()
          await expectCode(run(hung.engine, { deadlineMs: 50 }), 'engine_unreachable')
          expect(performance.now() - startedAt).toBeLessThan(3000)
        } finally {
          await hung.close()
        }
      })

      test.each(CALLS)('$name ends when its signal fires', async ({ run }) => {
        const hung = await subject.hung()
        try {
          const cancel = new AbortController()
          const pending = run(hung.engine, { signal: cancel.signal })
          cancel.abort()
          await expectCode(pending, 'cancelled')
        } finally {
          await hung.close()
        }
      })

      test.each(CALLS)('$name does nothing when its signal has fired already', async ({ run }) => {
        await expectCode(run(subject.engine, { signal: AbortSignal.abort() }), 'cancelled')
      })
    })

    describeStreams(() => subject)
    describeImages(() => subject, differences)
  })
}
