import { Readable } from 'node:stream'
import { pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import type { Progress } from '../../src/engine/engine.ts'
import { expectCode } from '../helpers/expect-code.ts'
import { BASE_IMAGE } from '../helpers/images.ts'
import { run } from '../helpers/stream.ts'
import type { Differences, EngineSubject } from './engine.contract.ts'

/** A build context with one file. */
function dockerfile(...lines: readonly string[]): Readable {
  const tar = pack()
  tar.entry({ name: 'Dockerfile' }, `${lines.join('\n')}\n`)
  tar.finalize()
  return Readable.from(tar)
}

/** The part of the contract about images. */
export function describeImages(getSubject: () => EngineSubject, differences: Differences): void {
  describe('images', () => {
    const build = (tag: string, ...steps: readonly string[]) => {
      const { engine, labels } = getSubject()
      return engine.images.build(dockerfile(`FROM ${BASE_IMAGE}`, ...steps), { tag, labels, network: 'none' })
    }

    test('are inspected by reference and by id', async () => {
      const { images } = getSubject().engine
      const image = await images.inspect(BASE_IMAGE)
      expect(image).toMatchObject({
        tags: expect.arrayContaining([BASE_IMAGE]),
        platform: expect.stringMatching(/^linux\//),
      })
      expect(image?.id).toMatch(/^sha256:[0-9a-f]{64}$/)
      // Others may tag the base meanwhile.
      expect(await images.inspect(image?.id ?? '')).toMatchObject({
        id: image?.id,
        labels: image?.labels,
        env: image?.env,
      })
      expect(await images.inspect('sandbox-mcp/no-such-image:none')).toBeUndefined()
    })

    test('are built with labels, listed by them, tagged and removed', async () => {
      const { engine, labels, name } = getSubject()
      const tag = `sandbox-mcp-test/${name('built')}:1`
      const steps: Progress[] = []
      const built = await engine.images.build(
        dockerfile(`FROM ${BASE_IMAGE}`, 'WORKDIR /made/by/the/build'),
        { tag, labels, network: 'none' },
        { onProgress: (progress) => steps.push(progress) },
      )
      expect(built).toMatchObject({ tags: [tag], labels })
      expect(steps).toMatchObject([
        { step: 1, steps: 2, text: expect.stringMatching(new RegExp(`^FROM (docker\\.io/)?${BASE_IMAGE}$`)) },
        { step: 2, steps: 2, text: 'WORKDIR /made/by/the/build' },
      ])
      expect(await engine.images.list(labels)).toEqual([built])
      expect(built.taggedAtMs).toBeGreaterThan(Date.UTC(2020))

      await engine.images.tag(tag, `${tag}-second`)
      const tagged = await engine.images.inspect(`${tag}-second`)
      expect(tagged?.id).toBe(built.id)
      expect(tagged?.taggedAtMs).toBeGreaterThanOrEqual(built.taggedAtMs ?? NaN)
      await engine.images.remove(tag)
      await engine.images.remove(`${tag}-second`)
      await engine.images.remove(`${tag}-second`)
      expect(await engine.images.inspect(built.id)).toBeUndefined()
    })

    test('lose two names at the same moment, each once asked for', async () => {
      const { engine, name } = getSubject()
      // The engine's own race between the two does not come every time.
      for (let round = 0; round < 12; round++) {
        const tag = `sandbox-mcp-test/${name('at-once')}:${round}`
        const { id } = await build(tag, `ENV ROUND=${round}`)
        await engine.images.tag(tag, `${tag}-second`)
        await Promise.all([engine.images.remove(tag), engine.images.remove(`${tag}-second`)])
        expect(await engine.images.inspect(id)).toBeUndefined()
      }
    })

    test.skipIf(differences.noBuildSteps)(
      'name the step of a build that failed, and keep its output for the log',
      async () => {
        const { engine, labels, name } = getSubject()
        const tag = `sandbox-mcp-test/${name('broken')}:1`
        const error = await expectCode(build(tag, 'RUN echo before-the-fall && false'), 'image_unavailable')
        expect(error.message).toContain('step 2/')
        expect(error.message).toContain('RUN echo before-the-fall && false')
        expect(error.message).toContain(error.details['step'])
        expect(error.details['log']).toContain('before-the-fall')
        expect(await engine.images.inspect(tag)).toBeUndefined()
        expect(await engine.containers.list(labels)).toEqual([])
      },
    )

    test('are not removed while a container uses them', async () => {
      const { engine, name, spec } = getSubject()
      const tag = `sandbox-mcp-test/${name('used')}:1`
      await build(tag, 'ENV COLOR=red')
      const { id } = await engine.containers.create(await spec({ image: tag }))
      await expectCode(engine.images.remove(tag), 'engine_failed')
      await engine.containers.remove(id)
      await engine.images.remove(tag)
      expect(await engine.images.inspect(tag)).toBeUndefined()
    })

    test('that no registry has cannot be pulled', async () => {
      const { images } = getSubject().engine
      await expectCode(images.pull('localhost:1/sandbox-mcp/no-such-image:none'), 'image_unavailable')
    })

    test('that are not there cannot be tagged', async () => {
      const { images } = getSubject().engine
      await expectCode(images.tag('sandbox-mcp/no-such-image:none', 'sandbox-mcp-test/x:1'), 'image_unavailable')
    })

    test('do not add to the environment of a container', async () => {
      const { engine, name, spec } = getSubject()
      const tag = `sandbox-mcp-test/${name('env')}:1`
      await build(tag, 'ENV COLOR=red SECRET=blue')
      const { id } = await engine.containers.create(
        await spec({ image: tag, env: { PATH: '/usr/bin', COLOR: 'green' } }),
      )
      await engine.containers.start(id)
      const { stdout } = await run(engine.containers, id, { command: ['env'], uid: 20_001 })
      const text = stdout.toString()
      const names = text.split('\n').map((line) => line.split('=', 1)[0])
      expect(text).toContain('COLOR=green\n')
      expect(names).not.toContain('SECRET')
      await engine.containers.remove(id)
      await engine.images.remove(tag)
    })
  })
}
