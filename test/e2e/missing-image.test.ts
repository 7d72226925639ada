import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { afterAll, expect, test } from 'vitest'
import { BASE_IMAGE } from '../helpers/images.ts'
import { removeInstallation, useInstallation } from '../helpers/installation.ts'
import { rawDocker } from '../helpers/raw-docker.ts'
import { temporaryDirectory } from '../helpers/temporary-directory.ts'

const installation = useInstallation()
const docker = rawDocker(installation.address)

const id = randomBytes(6).toString('hex')
const runtime = `test-${id}`
/** Of a registry that nobody listens at, so that once it is gone from the engine it is not to be had. */
const base = `localhost:1/sandbox-mcp-test/base:${id}`
const env = {
  SANDBOX_IDLE_TIMEOUT: '1s',
  SANDBOX_RUNTIME: runtime,
  SANDBOX_BUILD_NETWORK: 'host',
  SANDBOX_CUSTOM_RUNTIMES: JSON.stringify([{ name: runtime, description: 'For a test.', base_image: base }]),
}
const runtimeImages = () => installation.engine.images.list({ 'sandbox-mcp.runtime': runtime })
const tagsOfRuntime = async () => (await runtimeImages()).flatMap(({ tags }) => tags)

afterAll(async () => {
  // Its containers use the images.
  await removeInstallation(installation.engine, installation.name)
  for (const tag of [...(await tagsOfRuntime()), base]) await installation.engine.images.remove(tag)
})

// LC15
test('a sleeping user whose runtime’s image is gone is told what is missing, and wakes with all files once it was loaded again', async () => {
  await installation.engine.images.tag(BASE_IMAGE, base)
  const user = installation.newUser()
  await using server = await installation.start({ user, env })
  await server.output('echo kept > file')
  await expect.poll(() => installation.containers(user), { timeout: 60_000, interval: 100 }).toEqual([])

  const [tag = ''] = await tagsOfRuntime()
  const archive = join(temporaryDirectory(), 'image.tar')
  await pipeline(await docker.getImage(tag).get(), createWriteStream(archive))
  for (const each of [tag, base]) await installation.engine.images.remove(each)
  expect(await runtimeImages()).toEqual([])

  for (const again of ['at once', 'each time']) {
    const told = await server.refusal('write_file', { path: 'file', content: 'lost' })
    expect(told, again).toMatch(/^image_unavailable: /)
    expect(told, again).toContain(base)
    expect(told, again).toContain('`docker load`')
  }
  expect(await installation.containers(user)).toEqual([])
  expect(await installation.volumes(user)).toHaveLength(1)

  const loading = await docker.loadImage(createReadStream(archive))
  await new Promise<void>((resolve, reject) =>
    docker.modem.followProgress(loading, (error) => (error ? reject(error) : resolve())),
  )
  expect(await server.exec('cat file')).toMatchObject({
    stdout: 'kept\n',
    notice: 'sandbox resumed: files kept, processes lost',
  })
})
