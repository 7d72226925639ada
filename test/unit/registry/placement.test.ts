import { afterEach, expect, test, vi } from 'vitest'
import { silentLogger } from '../../../src/lib/logger.ts'
import { noTelemetry } from '../../../src/lib/telemetry.ts'
import { HungBridges } from '../../../src/registry/recovery/hung-bridges.ts'
import { place, type PlacementDeps } from '../../../src/registry/placement.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { labIdentity, registryLab, TEST_POLICY } from '../../helpers/registry-lab.ts'

afterEach(() => vi.useRealTimers())

/** Each container is gone `afterMs` after it was made, before anybody could start it. */
async function setUp(afterMs: number) {
  vi.useFakeTimers({ toFake: ['performance'] })
  const lab = await registryLab()
  const { engine } = lab
  const create: typeof engine.containers.create = async (spec, options) => {
    const made = await engine.containers.create(spec, options)
    await engine.containers.remove(made.id)
    vi.advanceTimersByTime(afterMs)
    return made
  }
  const deps: PlacementDeps = {
    engine: { ...engine, containers: { ...engine.containers, create } },
    policy: TEST_POLICY,
    info: () => engine.info(),
    runtime: () => Promise.resolve(lab.runtime),
    runtimes: ['test'],
    forgetRuntime: () => {},
    hungBridges: new HungBridges(),
    telemetry: noTelemetry,
    logger: silentLogger,
  }
  return { lab, deps }
}

test('a start is given up when its container keeps disappearing for a minute', async () => {
  const { lab, deps } = await setUp(20_000)
  const error = await expectCode(place(deps, labIdentity('user'), 'test'), 'engine_failed')
  expect(error.message).toContain('keeps disappearing')
  expect(lab.calls('containers.create')).toBe(3)
})

test('and not before: servers that remove and create in turns may take most of it', async () => {
  const { lab, deps } = await setUp(5900)
  const { create } = deps.engine.containers
  let left = 10
  const healing = (...args: Parameters<typeof create>) =>
    left-- > 0 ? create(...args) : lab.engine.containers.create(...args)
  const engine = { ...deps.engine, containers: { ...deps.engine.containers, create: healing } }
  const placed = await place({ ...deps, engine }, labIdentity('user'), 'test')
  expect(placed.how).toBe('resumed')
  expect(lab.calls('containers.create')).toBe(11)
  placed.client.connection.close('the test is over')
})
