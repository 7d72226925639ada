import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { VolumeSpec } from '../helpers/specs.ts'
import type { Engine, Labels } from '../../src/engine/engine.ts'
import { CALLS } from './engine-calls.ts'
import { describeContainers } from './engine-containers.contract.ts'
import { describeEvents } from './engine-events.contract.ts'
import { describeImages } from './engine-images.contract.ts'
import { describeDirectories } from './engine-directories.contract.ts'
import { describePrograms } from './engine-programs.contract.ts'
import { describeStreams } from './engine-streams.contract.ts'
import { describeVolumes } from './engine-volumes.contract.ts'
import { expectCode } from '../helpers/expect-code.ts'

/** One engine under test, with what the suite needs around it. Whoever made the engine closes it. */
export interface EngineSubject {
  readonly engine: Engine
  /** Labels of everything that the suite makes; nothing else on the engine has them. */
  readonly labels: Labels
  /** A name that nothing on the engine has. */
  name(prefix: string): string
  /** A spec with these labels; its volume exists. */
  spec(overrides?: Partial<VolumeSpec>): Promise<VolumeSpec>
  /** The same engine as a client that gets no answer: the other side takes the connection and is silent. */
  hung(): Promise<{ readonly engine: Engine; close(): Promise<void> }>
  /** The same engine, as one that says it did not apply the limit of processes. */
  weakened(): Promise<{ readonly engine: Engine; close(): Promise<void> }>
  /** Ends a running container from outside, as `docker kill` does. */
  kill(id: string): Promise<void>
  /** A running container that somebody else made: with the labels, as an engine makes one when nothing is asked for. Its id. */
  foreign(): Promise<string>
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

    describeContainers(() => subject)
    describeVolumes(() => subject)
    describeEvents(() => subject)
    describeStreams(() => subject)
    describePrograms(() => subject)
    describeDirectories(() => subject)
    describeImages(() => subject, differences)
  })
}
