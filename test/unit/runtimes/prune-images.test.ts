import { afterEach, describe, expect, test, vi } from 'vitest'
import { silentLogger } from '../../../src/lib/logger.ts'
import { RuntimeImages, type RuntimeImagesOptions } from '../../../src/runtimes/image-builder.ts'
import { IN_THE_MAKING_MS } from '../../../src/runtimes/prune-images.ts'
import { createFakeEngine, type FakeEngine } from '../../helpers/fake-engine.ts'
import { useRuntimeFixtures } from '../../helpers/runtime-fixtures.ts'
import { containerSpec } from '../../helpers/specs.ts'

const fixtures = useRuntimeFixtures()
afterEach(() => vi.useRealTimers())

const LATER_MS = IN_THE_MAKING_MS + 1000
const UNMEASURED = 'sandbox-mcp/unmeasured:some'

/** A server of these definitions; `hours` later than now as far as pruning is concerned. */
function server(
  engine: FakeEngine,
  definitions: readonly { name: string; setup_commands?: string[]; cache_image?: boolean }[] = [{ name: 'mine' }],
  more: Partial<RuntimeImagesOptions> = {},
) {
  const catalogue = fixtures.catalogue(...definitions.map((each) => ({ base_image: 'a:1', ...each })))
  const { supervisorDir } = fixtures
  const now = () => Date.now() + LATER_MS
  return new RuntimeImages({ engine, catalogue, logger: silentLogger, supervisorDir, now, ...more })
}

describe('superseded images', () => {
  test('go, and with them the name of a base that nothing needs', async () => {
    const engine = createFakeEngine({ images: ['a:1', 'a:2'] })
    const old = await server(engine).ensure('mine')
    const oldBase = await engine.images.inspect('a:1')
    await engine.images.tag('a:2', 'a:1')
    const fresh = server(engine)
    const current = await fresh.ensure('mine')

    expect(await fresh.prune(['mine'], 0)).toEqual([old.imageId])
    expect(await engine.images.inspect(old.tag)).toBeUndefined()
    expect(await engine.images.inspect(oldBase?.id ?? '')).toBeUndefined()
    expect((await engine.images.inspect(current.tag))?.id).toBe(current.imageId)
    expect(await fresh.prune(['mine'], 0)).toEqual([])
  })

  test('stay while a container uses them, and the base stays with them', async () => {
    const engine = createFakeEngine({ images: ['a:1', 'a:2'] })
    const old = await server(engine).ensure('mine')
    const oldBase = await engine.images.inspect('a:1')
    const { id } = await engine.containers.create(containerSpec({ name: 'c', image: old.imageId }))
    await engine.images.tag('a:2', 'a:1')
    const fresh = server(engine)
    await fresh.ensure('mine')
    expect(await fresh.prune(['mine'], 0)).toEqual([])
    expect((await engine.images.inspect(old.tag))?.id).toBe(old.imageId)
    expect(await engine.images.inspect(oldBase?.id ?? '')).toBeDefined()
    await engine.containers.remove(id)
    expect(await fresh.prune(['mine'], 0)).toEqual([old.imageId])
  })

  test('are those of this runtime alone, even when its name is the beginning of another', async () => {
    const engine = createFakeEngine({ images: ['a:1'] })
    const both = (setup: string[]) =>
      server(engine, [
        { name: 'python', setup_commands: setup },
        { name: 'python-web', setup_commands: setup },
      ])
    const before = both(['true'])
    const [python, web] = [await before.ensure('python'), await before.ensure('python-web')]
    const after = both(['false'])
    await after.ensure('python')
    // python-web is not built as it is today: what it has is not yet superseded.
    expect(await after.prune(['python', 'python-web'], 0)).toEqual([python.imageId])
    expect((await engine.images.inspect(web.tag))?.id).toBe(web.imageId)
  })

  test.each([
    ['as long as another server may be about to use them', 0, IN_THE_MAKING_MS - 1000],
    ['for as long as is asked for', 10 * IN_THE_MAKING_MS, 10 * IN_THE_MAKING_MS - 1000],
  ])('stay %s', async (_, keptMs, ageMs) => {
    const engine = createFakeEngine({ images: ['a:1'] })
    const old = await server(engine).ensure('mine')
    let aged = ageMs
    const fresh = server(engine, [{ name: 'mine', setup_commands: ['true'] }], { now: () => Date.now() + aged })
    await fresh.ensure('mine')
    expect(await fresh.prune(['mine'], keptMs)).toEqual([])
    aged += 2000
    expect(await fresh.prune(['mine'], keptMs)).toEqual([old.imageId])
  })

  test('stay when another server has used them since', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 })
    const engine = createFakeEngine({ images: ['a:1'] })
    const now = () => Date.now()
    const other = server(engine, [{ name: 'mine' }], { now })
    const theirs = await other.ensure('mine')
    const mine = server(engine, [{ name: 'mine', setup_commands: ['true'] }], { now })
    await mine.ensure('mine')
    vi.setSystemTime(Date.now() + LATER_MS)
    await other.prune(['mine'], LATER_MS)
    await mine.prune(['mine'], 0)
    expect(await engine.images.inspect(theirs.tag)).toBeDefined()
    vi.setSystemTime(Date.now() + LATER_MS)
    expect(await mine.prune(['mine'], 0)).toEqual([theirs.imageId])
  })

  test('stay when the engine does not say how old they are', async () => {
    const engine = createFakeEngine({ images: ['a:1'] })
    await server(engine).ensure('mine')
    const { inspect, list } = engine.images
    const ageless = {
      ...engine,
      images: {
        ...engine.images,
        inspect: async (reference: string) => {
          const image = await inspect(reference)
          return image && { ...image, taggedAtMs: undefined }
        },
        list: async (labels: Readonly<Record<string, string>>) =>
          (await list(labels)).map((image) => ({ ...image, taggedAtMs: undefined })),
      },
    }
    const fresh = server(ageless, [{ name: 'mine', setup_commands: ['true'] }])
    await fresh.ensure('mine')
    expect(await fresh.prune(['mine'], 0)).toEqual([])
  })

  test('lose the tag that a build gave them, and keep those of somebody else', async () => {
    const engine = createFakeEngine({ images: ['a:1'] })
    const old = await server(engine).ensure('mine')
    await engine.images.tag(old.tag, 'registry.example/team/mine:1')
    const fresh = server(engine, [{ name: 'mine', setup_commands: ['true'] }])
    await fresh.ensure('mine')
    await fresh.prune(['mine'], 0)
    expect((await engine.images.inspect(old.imageId))?.tags).toEqual(['registry.example/team/mine:1'])
  })

  test('are nothing to a runtime whose image somebody removed: what it had before may be all there is', async () => {
    const engine = createFakeEngine({ images: ['a:1'] })
    const old = await server(engine).ensure('mine')
    const fresh = server(engine, [{ name: 'mine', setup_commands: ['true'] }])
    const current = await fresh.ensure('mine')
    await engine.images.remove(current.imageId)
    expect(await fresh.prune(['mine'], 0)).toEqual([])
    expect(await engine.images.inspect(old.imageId)).toBeDefined()
  })
})

describe('what a server that died in mid-build left', () => {
  async function unmeasured(engine: FakeEngine) {
    const ready = await server(engine).ensure('mine')
    const { Readable } = await import('node:stream')
    const { smallArchive } = await import('../../../src/runtimes/small-archive.ts')
    const context = Readable.from(await smallArchive(new Map([['Dockerfile', `FROM ${ready.tag}\n`]])))
    return engine.images.build(context, { tag: UNMEASURED, labels: { 'sandbox-mcp.role': 'unmeasured' } })
  }

  test('goes, whatever runtimes this server has', async () => {
    const engine = createFakeEngine({ images: ['a:1'] })
    await unmeasured(engine)
    await server(engine, []).prune([], 0)
    expect(await engine.images.inspect(UNMEASURED)).toBeUndefined()
  })

  test('stays while it is young, or measured at this moment', async () => {
    const engine = createFakeEngine({ images: ['a:1'] })
    const image = await unmeasured(engine)
    await server(engine, [], { now: () => Date.now() + IN_THE_MAKING_MS - 1000 }).prune([], 0)
    expect(await engine.images.inspect(UNMEASURED)).toBeDefined()
    const { id } = await engine.containers.create(containerSpec({ name: 'c', image: image.id }))
    await server(engine, []).prune([], 0)
    expect(await engine.images.inspect(UNMEASURED)).toBeDefined()
    await engine.containers.remove(id)
    await server(engine, []).prune([], 0)
    expect(await engine.images.inspect(UNMEASURED)).toBeUndefined()
  })
})
