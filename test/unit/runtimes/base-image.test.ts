import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { BaseImages, sourcesOf } from '../../../src/runtimes/base-image.ts'
import type { RuntimeDefinition } from '../../../src/runtimes/definition.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { createFakeEngine } from '../../helpers/fake-engine.ts'
import type { FakeEngineOptions } from '../../helpers/fake-world.ts'

const BASE = { reference: 'python:3.12-slim', packages: [] }
const FALLBACK = { reference: 'own:1', packages: [] }
const DEFINITION: RuntimeDefinition = {
  name: 'mine',
  description: 'Mine.',
  base: BASE,
  fallback: FALLBACK,
  setupCommands: [],
  env: {},
  workDir: '/workspace',
  cacheImage: true,
}

function setUp(options: FakeEngineOptions, mirrors: readonly string[] = [], silenceMs = 20_000) {
  const engine = createFakeEngine(options)
  return { engine, bases: new BaseImages({ engine, logger: silentLogger, mirrors, silenceMs }) }
}

describe('a base image', () => {
  test('is the first choice when the engine has both', async () => {
    const { bases } = setUp({ images: [BASE.reference, FALLBACK.reference] })
    expect((await bases.ensure(DEFINITION)).choice).toBe(BASE)
  })

  test('is the fallback when the engine has that alone, without asking a registry', async () => {
    const { engine, bases } = setUp({ images: [FALLBACK.reference], registry: [BASE.reference] })
    expect((await bases.ensure(DEFINITION)).choice).toBe(FALLBACK)
    expect(engine.calls).not.toContain('images.pull')
  })

  test('is pulled when the engine has neither, once for concurrent calls', async () => {
    const { engine, bases } = setUp({ registry: [BASE.reference] })
    expect(await bases.find(DEFINITION)).toBeUndefined()
    const [one, two] = await Promise.all([bases.ensure(DEFINITION), bases.ensure(DEFINITION)])
    expect(one.choice).toBe(BASE)
    expect(one.image.id).toBe(two.image.id)
    expect(engine.calls.filter((call) => call === 'images.pull')).toHaveLength(1)
  })

  test('comes from the first mirror that has it, and gets its usual name', async () => {
    const { engine, bases } = setUp({ registry: ['m2/library/python:3.12-slim'] }, ['m1', 'm2'])
    const { image } = await bases.ensure(DEFINITION)
    expect(await engine.images.inspect(image.id)).toMatchObject({ tags: [BASE.reference] })
    expect(engine.calls.filter((call) => call === 'images.pull')).toHaveLength(2)
  })

  test('is given up when the registry falls silent', async () => {
    const { engine, bases } = setUp({ registry: [BASE.reference] }, [], 5)
    engine.fail('images.pull', 'hang')
    const error = await expectCode(bases.ensure(DEFINITION), 'image_unavailable')
    expect(error.message).toContain('"python:3.12-slim"')
  })
})

test('an engine that is down is told as such, not as a missing image', async () => {
  const { engine, bases } = setUp({ registry: [BASE.reference] }, ['m1'])
  engine.fail('images.pull', new SandboxError('engine_unreachable', 'down'))
  await expectCode(bases.ensure(DEFINITION), 'engine_unreachable')
})

test.each([
  ['python:3.12-slim', ['m.example/library/python:3.12-slim', 'python:3.12-slim']],
  ['owner/image:1', ['m.example/owner/image:1', 'owner/image:1']],
  ['docker.io/owner/image:1', ['m.example/owner/image:1', 'docker.io/owner/image:1']],
  ['docker.io/python', ['m.example/library/python', 'docker.io/python']],
  ['ghcr.io/owner/image:1', ['ghcr.io/owner/image:1']],
  ['localhost:5000/image', ['localhost:5000/image']],
  ['localhost/image', ['localhost/image']],
])('%s is looked for at %j', (reference, sources) => {
  expect(sourcesOf(reference, ['m.example'])).toEqual(sources)
})
