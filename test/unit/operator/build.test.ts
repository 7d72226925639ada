import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { build } from '../../../src/operator/build.ts'
import { type ListedRuntime, listRuntimes } from '../../../src/operator/runtimes.ts'
import { RuntimeImages, type RuntimeImagesOptions } from '../../../src/runtimes/image-builder.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { createFakeEngine } from '../../helpers/fake-engine.ts'
import type { FakeEngineOptions } from '../../helpers/fake-world.ts'
import { useRuntimeFixtures } from '../../helpers/runtime-fixtures.ts'
import { containerSpec } from '../../helpers/specs.ts'

const fixtures = useRuntimeFixtures()
const PACKAGES = [{ package_manager: 'pip', packages: ['numpy', 'httpx'] }]

function setUp(
  kind: { isTerminal?: boolean; json?: boolean } = {},
  engineOptions: FakeEngineOptions = {},
  one: Readonly<Record<string, unknown>> = {},
  more: Partial<RuntimeImagesOptions> = {},
) {
  const engine = createFakeEngine({ images: ['a:1'], ...engineOptions })
  const catalogue = fixtures.catalogue(
    { name: 'one', base_image: 'a:1', ...one },
    { name: 'two', base_image: 'a:1', packages: PACKAGES },
  )
  const images = new RuntimeImages({
    engine,
    catalogue,
    logger: silentLogger,
    supervisorDir: fixtures.supervisorDir,
    ...more,
  })
  let text = ''
  const out = { isTerminal: false, json: false, ...kind, write: (piece: string) => void (text += piece) }
  return { engine, catalogue, images, out, text: () => text }
}

describe('build', () => {
  test('prints each step, then what was built; the second time that it was there', async () => {
    const deps = setUp()
    await build({ names: ['two'] }, deps)
    const lines = deps.text().trimEnd().split('\n')
    expect(lines[0]).toMatch(/^two: step 1 of \d+: FROM sandbox-mcp\/from:/)
    expect(lines).toContainEqual(expect.stringMatching(/^two: step 4 of \d+: pip numpy httpx$/))
    expect(lines.at(-1)).toMatch(/^two {2}sandbox-mcp\/two:[0-9a-f]{16} {2}1 KiB {2}built in [\d.]+ m?s$/)
    await build({ names: ['two'] }, deps)
    expect(deps.text().trimEnd().split('\n').at(-1)).toMatch(/already built$/)
  })

  test('writes over one line on a terminal, and leaves the result alone', async () => {
    const deps = setUp({ isTerminal: true })
    await build({ names: ['one'] }, deps)
    const states = deps.text().split('\r\x1b[K')
    expect(states.length).toBeGreaterThan(3)
    expect(states.slice(0, -1).join('')).not.toContain('\n')
    expect(states.at(-1)).toMatch(/^one .*built in .*\n$/)
  })

  test('builds all, and prints one JSON document', async () => {
    const deps = setUp({ json: true })
    await build({ names: ['one'], all: true }, deps)
    expect(JSON.parse(deps.text())).toEqual([
      expect.objectContaining({ name: 'one', built: true, sizeBytes: 1024, seconds: expect.any(Number) }),
      expect.objectContaining({ name: 'two', built: true, tag: expect.stringMatching(/^sandbox-mcp\/two:/) }),
    ])
  })

  test('builds nothing when one of the names is unknown', async () => {
    const deps = setUp()
    await expectCode(build({ names: ['one', 'three'] }, deps), 'invalid_argument')
    expect(deps.engine.calls).toEqual([])
  })

  test('shows the last lines of a step that failed', async () => {
    const deps = setUp({}, { onBuildStep: (step) => (step.includes('numpy') ? 1 : 0) })
    await expectCode(build({ names: ['two'] }, deps), 'image_unavailable')
    expect(deps.text()).toContain('returned a non-zero code: 1\n')
  })

  test('goes on with the next runtime when one fails, and fails in the end', async () => {
    const deps = setUp({}, { onBuildStep: (step) => (step.includes('false') ? 1 : 0) }, { setup_commands: ['false'] })
    const error = await expectCode(build({ names: ['one', 'two'] }, deps), 'image_unavailable')
    expect(error.message).toContain('"one"')
    expect(deps.text()).toMatch(
      /\none {2}failed after [\d.]+ m?s: The runtime "one" could not be built: step .* failed\.\n/,
    )
    expect(deps.text()).toMatch(/\ntwo .*built in [\d.]+ m?s\n$/)
  })

  test('prints one JSON document when one fails, too: what failed with its code, step and log', async () => {
    const deps = setUp(
      { json: true },
      { onBuildStep: (step) => (step.includes('false') ? 1 : 0) },
      { setup_commands: ['false'] },
    )
    await expectCode(build({ names: [], all: true }, deps), 'image_unavailable')
    expect(JSON.parse(deps.text())).toEqual([
      {
        name: 'one',
        built: false,
        seconds: expect.any(Number),
        error: {
          code: 'image_unavailable',
          message: expect.stringMatching(
            /^The runtime "one" could not be built: step \d+\/\d+ \(run false\) failed\.$/,
          ),
          hint: expect.any(String),
          step: expect.stringMatching(/^step \d+\/\d+ \(run false\)$/),
          log: expect.stringContaining('returned a non-zero code: 1'),
        },
      },
      expect.objectContaining({ name: 'two', built: true }),
    ])
  })

  test('does not try the next when the engine is gone', async () => {
    const deps = setUp({ json: true })
    deps.engine.fail('*', new SandboxError('engine_unreachable', 'down'))
    await expectCode(build({ names: [], all: true }, deps), 'engine_unreachable')
    expect(JSON.parse(deps.text())).toEqual([
      expect.objectContaining({
        name: 'one',
        error: expect.objectContaining({ code: 'engine_unreachable', step: null, log: null }),
      }),
    ])
  })
})

describe('the list of runtimes', () => {
  test('tells packages, what is built, and how many sandboxes use it; it builds nothing', async () => {
    const deps = setUp()
    const two = await deps.images.ensure('two')
    const labels = { 'sandbox-mcp.role': 'sandbox', 'sandbox-mcp.runtime': 'two' }
    await deps.engine.containers.create(containerSpec({ name: 'c', image: two.imageId, labels }))
    await listRuntimes(deps)
    expect(deps.text().split('\n')).toEqual([
      'RUNTIME  IMAGE             SIZE   IN USE  BASE  PACKAGES',
      'one      not built                0       a:1',
      `two      ${two.digest.slice(0, 16)}  1 KiB  1       a:1   numpy, httpx`,
      '',
    ])
    expect(deps.engine.calls.filter((call) => call === 'images.build')).toHaveLength(1)
  })

  test('tells the base that was really used, and the versions that were measured in the image', async () => {
    const measured = {
      os: 'Debian',
      programs: { node: '24.21.0' },
      packages: {
        pip: { 'Zope.Interface': '7.2', numpy: '2.1.0', pip: '23.0.1' },
        npm: { '@types/node': '24.0.1' },
        apt: { git: '1:2.39' },
      },
    }
    const packages = [
      { package_manager: 'pip', packages: ['numpy>=2,<3', 'zope_interface[test]'] },
      { package_manager: 'npm', packages: ['@types/node@^24', 'left-pad'] },
      { package_manager: 'node', packages: ['node@24.21.0'] },
      { package_manager: 'apt', packages: ['git=1:2.39'] },
    ]
    const deps = setUp(
      { json: true },
      { images: ['b:1'] },
      { fallback: { base_image: 'b:1', packages } },
      { measure: { sha256: '', of: () => Promise.resolve(measured) } },
    )
    await deps.images.ensure('one')
    await listRuntimes(deps)
    const [one] = JSON.parse(deps.text()) as ListedRuntime[]
    expect(one).toMatchObject({ base: 'b:1', image: { os: 'Debian', programs: { node: '24.21.0' } } })
    expect(one?.packages).toEqual([
      { manager: 'pip', name: 'numpy', version: '2.1.0' },
      { manager: 'pip', name: 'zope_interface', version: '7.2' },
      { manager: 'npm', name: '@types/node', version: '24.0.1' },
      { manager: 'npm', name: 'left-pad', version: null },
      { manager: 'node', name: 'node', version: '24.21.0' },
      { manager: 'apt', name: 'git', version: '1:2.39' },
    ])
  })

  test('keeps its columns when there are many packages', async () => {
    const many = Array.from({ length: 20 }, (_, at) => `package-${at}`)
    const deps = setUp({}, {}, { packages: [{ package_manager: 'pip', packages: many }] })
    await listRuntimes(deps)
    const lines = deps.text().trimEnd().split('\n')
    const column = lines[0]?.indexOf('PACKAGES') ?? 0
    const ofOne = lines.slice(
      1,
      lines.findIndex((line) => line.startsWith('two')),
    )
    expect(ofOne.length).toBeGreaterThan(2)
    for (const line of ofOne.slice(1)) expect(line.search(/\S/)).toBe(column)
    expect(ofOne.map((line) => line.slice(column)).join(' ')).toBe(many.join(', '))
  })

  test('is one JSON document with --json', async () => {
    const deps = setUp({ json: true })
    await listRuntimes(deps)
    expect(JSON.parse(deps.text())).toEqual([
      { name: 'one', description: 'For a test.', base: 'a:1', packages: [], image: null, sandboxes: 0 },
      {
        name: 'two',
        description: 'For a test.',
        base: 'a:1',
        packages: [
          { manager: 'pip', name: 'numpy', version: null },
          { manager: 'pip', name: 'httpx', version: null },
        ],
        image: null,
        sandboxes: 0,
      },
    ])
  })
})
