import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterAll, describe, expect, test } from 'vitest'
import { createDockerEngine } from '../../src/engine/docker/docker-engine.ts'
import type { ImageDetails, Images, Progress } from '../../src/engine/engine.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { RuntimeImages, type RuntimeImagesOptions } from '../../src/runtimes/image-builder.ts'
import { IN_THE_MAKING_MS } from '../../src/runtimes/prune-images.ts'
import { smallArchive } from '../../src/runtimes/small-archive.ts'
import { useDocker } from '../helpers/docker.ts'
import { expectCode } from '../helpers/expect-code.ts'
import { findIn } from '../helpers/find-in.ts'
import { BASE_IMAGE } from '../helpers/images.ts'
import { rawDocker } from '../helpers/raw-docker.ts'
import { removeImagesOf } from '../helpers/own-runtimes.ts'
import { useRuntimeFixtures } from '../helpers/runtime-fixtures.ts'
import { run } from '../helpers/stream.ts'

const docker = useDocker()
const fixtures = useRuntimeFixtures()
const UID = 1_130_001
/** Another text in each run, so that no step comes from the cache of an earlier one. */
const RUN = randomBytes(8).toString('hex')
const NEW_ID = `: ${RUN}; cat /proc/sys/kernel/random/uuid > /id`

const made: string[] = []
afterAll(async () => {
  for (const name of made) await removeImagesOf(docker.engine, name)
})

function runtime(definition: Record<string, unknown>, name = `test-${randomBytes(6).toString('hex')}`) {
  made.push(name)
  const catalogue = fixtures.catalogue({ name, base_image: BASE_IMAGE, ...definition })
  const { supervisorDir } = fixtures
  const server = (more: Partial<RuntimeImagesOptions> = {}) =>
    new RuntimeImages({ engine: docker.engine, catalogue, logger: silentLogger, supervisorDir, ...more })
  return { name, server }
}

/** Output of a command in a sandbox's container of that image. The supervisor is a stand-in, so something else is PID 1. */
async function inContainer(image: string, ...command: readonly string[]): Promise<string> {
  const { id } = await docker.container({ image, uid: UID, env: { PATH: '/usr/bin:/bin' } })
  const { stdout, stderr } = await run(docker.engine.containers, id, { command, uid: UID })
  await docker.engine.containers.remove(id)
  return stdout.toString() + stderr
}

describe('an image', () => {
  test('is built with its steps told, and found by the next server without a build', async () => {
    const { name, server } = runtime({ setup_commands: [NEW_ID], check: ['test', '-s', '/id'] })
    const steps: Progress[] = []
    const built = await server().ensure(name, { onProgress: (progress) => steps.push(progress) })
    expect(steps.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^FROM /),
      `run ${NEW_ID}`,
      expect.stringMatching(/^COPY /),
      'seal',
      'WORKDIR /workspace',
      'RUN ["test","-s","/id"]',
    ])
    expect(built.sizeBytes).toBeGreaterThan(50_000_000)

    const again: Progress[] = []
    expect(await server().ensure(name, { onProgress: (progress) => again.push(progress) })).toEqual(built)
    expect(again).toEqual([])
  })

  test('is built once when two servers want it at once', async () => {
    // The second step is long enough for the builds to overlap, so that the cache alone would not do.
    const { name, server } = runtime({ setup_commands: [`sleep 1; ${NEW_ID}`] })
    const engines = [docker.engine, createDockerEngine({ address: docker.address })]
    const [one, two] = await Promise.all(engines.map((engine) => server({ engine }).ensure(name)))
    await engines[1]?.close()
    expect(one?.digest).toBe(two?.digest)
    const ids = await Promise.all([one, two].map((ready) => inContainer(ready?.imageId ?? '', 'cat', '/id')))
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}\n$/)
    expect(ids[1]).toBe(ids[0])
  })

  test('takes unchanged steps from the cache, unless it is not to be cached', async () => {
    const id = async (definition: Record<string, unknown>) => {
      const { name, server } = runtime(definition)
      return await inContainer((await server().ensure(name)).imageId, 'cat', '/id')
    }
    const first = await id({ setup_commands: [NEW_ID, 'true'] })
    expect(await id({ setup_commands: [NEW_ID, 'false || true'] })).toBe(first)
    expect(await id({ setup_commands: [NEW_ID, 'true'], cache_image: false })).not.toBe(first)
  })

  test('has the values of its definition as they are', async () => {
    const value = `a "b" 'c' $HOME \${X} \\ \\$ \`id\` $(id) # <<E`
    const { name, server } = runtime({
      env_vars: { VALUE: value },
      setup_commands: ['printf %s "$VALUE" > /value', `printf '%s' '$VALUE "\\' > /literal`],
    })
    const ready = await server().ensure(name)
    expect(ready.env['VALUE']).toBe(value)
    expect(await inContainer(ready.imageId, 'cat', '/value')).toBe(value)
    expect(await inContainer(ready.imageId, 'cat', '/literal')).toBe('$VALUE "\\')
  })

  test('has no set-uid program, a workspace for any uid, and a supervisor that only root could change', async () => {
    const { name, server } = runtime({ setup_commands: ['cp /bin/true /suid && chmod 6755 /suid'] })
    const { imageId } = await server().ensure(name)
    const facts = await inContainer(
      imageId,
      'sh',
      '-c',
      'find / -xdev -perm /6000 2>/dev/null; stat -c "%n %a %u:%g" /.sandbox /.sandbox/supervisor /.sandbox/etc /workspace /tmp /suid',
    )
    expect(facts.split('\n')).toEqual([
      '/.sandbox 555 0:0',
      '/.sandbox/supervisor 555 0:0',
      '/.sandbox/etc 555 0:0',
      '/workspace 1777 0:0',
      '/tmp 1777 0:0',
      '/suid 755 0:0',
      '',
    ])
  })
})

describe('a build that fails', () => {
  test('names its step, keeps its last lines, and leaves no image', async () => {
    const { name, server } = runtime({ setup_commands: [`echo before-${RUN}; echo the-reason >&2; exit 3`] })
    const images = server()
    const error = await expectCode(images.ensure(name), 'image_unavailable')
    expect(error.message).toMatch(/could not be built: step 2\/\d+ \(run .*exit 3/)
    expect(error.details['log']).toContain(`before-${RUN}\n`)
    expect(error.details['log']).toContain('the-reason\n')
    expect(await images.find(name)).toBeUndefined()
    expect(await docker.engine.images.list({ 'sandbox-mcp.runtime': name })).toEqual([])
  })

  test('its check leaves no image either', async () => {
    const { name, server } = runtime({ check: ['sh', '-c', 'echo not-good; exit 1'] })
    const error = await expectCode(server().ensure(name), 'image_unavailable')
    expect(error.details['log']).toContain('not-good\n')
    expect(await docker.engine.images.list({ 'sandbox-mcp.runtime': name })).toEqual([])
  })
})

describe('old images', () => {
  const LATER_MS = IN_THE_MAKING_MS + 60_000
  /** Others build on this engine, too: what a server of the future prunes is only what this file made. */
  const inTheFuture = (names: readonly string[]): Partial<RuntimeImagesOptions> => {
    const { engine } = docker
    const isMine = ({ labels, tags }: ImageDetails) =>
      names.includes(labels['sandbox-mcp.runtime'] ?? '') || tags.some((tag) => tag.includes(RUN))
    const list: Images['list'] = async (labels) => (await engine.images.list(labels)).filter(isMine)
    return { engine: { ...engine, images: { ...engine.images, list } }, now: () => Date.now() + LATER_MS }
  }

  test('that are superseded go once no container uses them', async () => {
    const { name, server } = runtime({ setup_commands: [NEW_ID] })
    const old = await server().ensure(name)
    const { id } = await docker.container({ image: old.imageId, uid: UID })
    const fresh = runtime({ setup_commands: [NEW_ID, 'true'] }, name).server(inTheFuture([name]))
    const current = await fresh.ensure(name)
    expect(await fresh.prune([name], 0)).toEqual([])
    await docker.engine.containers.remove(id)
    expect(await fresh.prune([name], 0)).toEqual([old.imageId])
    expect(await docker.engine.images.inspect(old.imageId)).toBeUndefined()
    expect((await docker.engine.images.inspect(current.tag))?.id).toBe(current.imageId)
  })

  test('that lost their tag to a newer build of the same go, too', async () => {
    const { name, server } = runtime({ setup_commands: [NEW_ID], cache_image: false })
    const old = await server().ensure(name)
    const fresh = server(inTheFuture([name]))
    const current = await fresh.ensure(name)
    expect((await docker.engine.images.inspect(old.imageId))?.tags).toEqual([])
    expect(current.tag).toBe(old.tag)
    expect(await fresh.prune([name], 0)).toEqual([old.imageId])
    expect((await docker.engine.images.inspect(current.tag))?.id).toBe(current.imageId)
  })

  test('that a server left unmeasured when it died go', async () => {
    const { name, server } = runtime({ setup_commands: [NEW_ID] })
    const left = `sandbox-mcp/unmeasured:${RUN}`
    const context = Readable.from(
      await smallArchive(new Map([['Dockerfile', `FROM ${BASE_IMAGE}\nENV LEFT=${RUN}\n`]])),
    )
    await docker.engine.images.build(context, { tag: left, labels: { 'sandbox-mcp.role': 'unmeasured' } })
    await server({ ...inTheFuture([name]), now: Date.now }).prune([name], 0)
    expect(await docker.engine.images.inspect(left)).toBeDefined()
    await server(inTheFuture([name])).prune([name], 0)
    expect(await docker.engine.images.inspect(left)).toBeUndefined()
  })
})

test('what a build reads of the network of its operator is neither in a layer nor in the history', async () => {
  const secret = `s3cret${RUN}`
  const { name, server } = runtime({
    setup_commands: ['grep -o s3cret "$PIP_CONFIG_FILE" > /seen', 'grep -c _auth "$NPM_CONFIG_USERCONFIG" > /npm'],
  })
  const ready = await server({
    packageSources: {
      pipIndexes: [`http://user:${secret}@127.0.0.1:1/simple`],
      npmRegistry: `http://user:${secret}@127.0.0.1:1/`,
    },
  }).ensure(name)
  expect(await inContainer(ready.imageId, 'cat', '/seen', '/npm')).toBe('s3cret\n1\n')

  const image = rawDocker(docker.address).getImage(ready.imageId)
  expect(JSON.stringify([await image.history(), await image.inspect()])).not.toContain(secret)
  const auth = Buffer.from(`user:${secret}`).toString('base64')
  // The last one is in the layer of /seen: it proves that the search finds what is there.
  const marks = [secret, auth, 's3cret\n'].map((text) => Buffer.from(text))
  expect(await findIn(await image.get(), marks)).toEqual(['s3cret\n'])
})
