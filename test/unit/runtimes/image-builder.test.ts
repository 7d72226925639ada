import { describe, expect, test } from 'vitest'
import type { Progress } from '../../../src/engine/engine.ts'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { RuntimeImages, type RuntimeImagesOptions } from '../../../src/runtimes/image-builder.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { createFakeEngine, type FakeEngine } from '../../helpers/fake-engine.ts'
import type { FakeEngineOptions } from '../../helpers/fake-world.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'
import { useRuntimeFixtures } from '../../helpers/runtime-fixtures.ts'

const fixtures = useRuntimeFixtures()
const MINE = { name: 'mine', base_image: 'a:1', fallback: { base_image: 'b:1' } }

function setUp(engineOptions: FakeEngineOptions = { images: ['a:1'] }, definition: Record<string, unknown> = {}) {
  const engine = createFakeEngine(engineOptions)
  const images = imagesOn(engine, definition)
  return { engine, images }
}

function imagesOn(
  engine: FakeEngine,
  definition: Record<string, unknown> = {},
  more: Partial<RuntimeImagesOptions> = {},
) {
  const catalogue = fixtures.catalogue({ ...MINE, ...definition })
  const { supervisorDir } = fixtures
  return new RuntimeImages({ engine, catalogue, logger: silentLogger, supervisorDir, ...more })
}

const count = (engine: FakeEngine, method: string) => engine.calls.filter((each) => each === method).length

describe('ensuring an image', () => {
  test('builds it once, and then costs no call', async () => {
    const { engine, images } = setUp()
    const built = await images.ensure('mine')
    expect(built).toMatchObject({
      name: 'mine',
      imageId: expect.stringMatching(/^sha256:/),
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      tag: `sandbox-mcp/mine:${built.digest.slice(0, 16)}`,
      env: { PATH: '/usr/bin:/bin' },
      workDir: '/workspace',
    })
    const callsBefore = engine.calls.length
    expect(await images.ensure('mine')).toBe(built)
    expect(engine.calls).toHaveLength(callsBefore)
  })

  test('finds what another server built', async () => {
    const { engine, images } = setUp()
    const built = await images.ensure('mine')
    expect(await imagesOn(engine).ensure('mine')).toEqual(built)
    expect(await imagesOn(engine).find('mine')).toEqual(built)
    expect(count(engine, 'images.build')).toBe(1)
  })

  test('shares one build among concurrent calls, each of which hears of its progress', async () => {
    const { engine, images } = setUp()
    const heard: Progress[][] = [[], []]
    const [one, two] = await Promise.all(
      heard.map((list) => images.ensure('mine', { onProgress: (progress) => list.push(progress) })),
    )
    expect(one).toBe(two)
    expect(count(engine, 'images.build')).toBe(1)
    expect(heard[0]).toContainEqual(expect.objectContaining({ text: 'seal' }))
    expect(heard[1]).toEqual(heard[0])
  })

  test('asks no registry when the base or its fallback is there', async () => {
    const onFallback = setUp({ images: ['b:1'], registry: ['a:1'] })
    await onFallback.images.ensure('mine')
    const onBase = setUp({ images: ['a:1', 'b:1'] })
    await onBase.images.ensure('mine')
    expect([...onFallback.engine.calls, ...onBase.engine.calls]).not.toContain('images.pull')
  })

  test('labels the image with what it was made of', async () => {
    const { engine, images } = setUp()
    const { digest, tag } = await images.ensure('mine')
    const base = await engine.images.inspect('a:1')
    expect((await engine.images.inspect(tag))?.labels).toEqual({
      'sandbox-mcp.role': 'runtime',
      'sandbox-mcp.runtime': 'mine',
      'sandbox-mcp.digest': digest,
      'sandbox-mcp.recipe': expect.stringMatching(/^[0-9a-f]{64}$/),
      'sandbox-mcp.base': base?.id,
    })
  })

  test('builds anew when the tag of the base has moved', async () => {
    const { engine, images } = setUp({ images: ['a:1', 'a:2'] })
    const before = await images.ensure('mine')
    await engine.images.tag('a:2', 'a:1')
    const after = await imagesOn(engine).ensure('mine')
    expect(after.digest).not.toBe(before.digest)
    expect(count(engine, 'images.build')).toBe(2)
  })

  test('builds anew with another supervisor', async () => {
    const { engine, images } = setUp()
    const before = await images.ensure('mine')
    fixtures.replaceSupervisor('another supervisor')
    try {
      expect(await imagesOn(engine).find('mine')).toBeUndefined()
      expect((await imagesOn(engine).ensure('mine')).digest).not.toBe(before.digest)
    } finally {
      fixtures.replaceSupervisor('supervisor')
    }
  })

  test('builds once for each server when the image is not to be cached', async () => {
    const { engine, images } = setUp(undefined, { cache_image: false })
    await images.ensure('mine')
    await images.ensure('mine')
    expect(count(engine, 'images.build')).toBe(1)
    await imagesOn(engine, { cache_image: false }).ensure('mine')
    expect(count(engine, 'images.build')).toBe(2)
  })

  test('looks again once told to forget', async () => {
    const { engine, images } = setUp()
    const { tag } = await images.ensure('mine')
    await engine.images.remove(tag)
    images.forget('mine')
    await images.ensure('mine')
    expect(count(engine, 'images.build')).toBe(2)
  })

  test('works with an image that was brought without its base', async () => {
    const { engine, images } = setUp({ images: ['b:1'] })
    const built = await images.ensure('mine')
    for (const tag of (await engine.images.inspect('b:1'))?.tags ?? []) await engine.images.remove(tag)
    expect(await imagesOn(engine).ensure('mine')).toEqual(built)
    // An image of the same name on another base is not taken for it.
    const moved = imagesOn(engine, { base_image: 'c:1', fallback: undefined })
    expect(await moved.find('mine')).toBeUndefined()
  })

  test('hands the limits, network and OCI runtime of the definition on', async () => {
    const { images } = setUp(undefined, { limits: { cpus: 2 }, network: 'bridge', oci_runtime: 'runsc' })
    expect(await images.ensure('mine')).toMatchObject({ limits: { cpus: 2 }, network: 'bridge', ociRuntime: 'runsc' })
  })
})

describe('ensuring an image fails', () => {
  test('with the step and its output in the log, leaving no image, and is tried again', async () => {
    let exitCode = 1
    const { engine, images } = setUp({
      images: ['a:1'],
      onBuildStep: (instruction) => (instruction.includes('seal') ? exitCode : 0),
    })
    const error = await expectCode(images.ensure('mine'), 'image_unavailable')
    expect(error.message).toMatch(/^The runtime "mine" could not be built: step \d+\/\d+ \(seal\) failed\.$/)
    expect(error.details['step']).toMatch(/^step \d+\/\d+ \(seal\)$/)
    expect(error.details['log']).toContain('non-zero code: 1')
    expect(await engine.images.list({ 'sandbox-mcp.role': 'runtime' })).toEqual([])
    expect(await images.find('mine')).toBeUndefined()
    exitCode = 0
    await images.ensure('mine')
  })

  test('and is told by its code, as a build that succeeds', async () => {
    let exitCode = 1
    const engine = createFakeEngine({ images: ['a:1'], onBuildStep: () => exitCode })
    const { telemetry, told } = recordingTelemetry()
    const images = imagesOn(engine, {}, { telemetry })
    await expectCode(images.ensure('mine'), 'image_unavailable')
    exitCode = 0
    await images.ensure('mine')
    await images.ensure('mine')
    expect(told).toEqual([
      ['imageBuild', 'mine', 'image_unavailable'],
      ['imageBuild', 'mine', 'ok'],
    ])
  })

  test('for a name that is not in the catalogue', async () => {
    await expectCode(setUp().images.ensure('other'), 'invalid_argument')
  })

  test('when neither the engine nor a registry has a base', async () => {
    const error = await expectCode(setUp({}).images.ensure('mine'), 'image_unavailable')
    expect(error.message).toBe(
      'The base image "a:1" is neither on the container engine nor in a registry that answers.',
    )
    expect(error.hint).toContain('npm run setup')
  })

  test('when the supervisor is not built, naming the command that builds it', async () => {
    const engine = createFakeEngine({ images: ['a:1'] })
    const images = imagesOn(engine, {}, { supervisorDir: `${fixtures.supervisorDir}/none` })
    const error = await expectCode(images.ensure('mine'), 'image_unavailable')
    expect(error.message).toBe('The supervisor for amd64 is not built.')
    expect(error.hint).toContain('npm run setup')
  })

  test('on a platform that the supervisor is not made for', async () => {
    const { images } = setUp({ images: ['a:1'], info: { platform: 'linux/riscv64' } })
    const error = await expectCode(images.ensure('mine'), 'image_unavailable')
    expect(error.message).toContain('"linux/riscv64"')
  })

  test('for a caller that gives up, but not for the others', async () => {
    const { engine, images } = setUp()
    const gone = new AbortController()
    const [cancelled, other] = [images.ensure('mine', { signal: gone.signal }), images.ensure('mine')]
    gone.abort(new SandboxError('cancelled', 'gone'))
    await expectCode(cancelled, 'cancelled')
    expect((await other).name).toBe('mine')
    expect(count(engine, 'images.build')).toBe(1)
  })

  test('while the engine is down, and works when it is back', async () => {
    const { engine, images } = setUp()
    engine.fail('*', new SandboxError('engine_unreachable', 'down'))
    await expectCode(images.ensure('mine'), 'engine_unreachable')
    engine.heal()
    await images.ensure('mine')
  })
})
