import { describe, expect, test, vi } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { ensureOwner, replaceOwner } from '../../../src/registry/owner.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'
import { labIdentity, registryLab, type RegistryLab } from '../../helpers/registry-lab.ts'

/** A user who was here before, and whose sandbox sleeps. */
async function returning(lab: RegistryLab, user: string): Promise<void> {
  ;(await lab.server().acquire(user)).release()
  await lab.engine.containers.remove((await lab.container(user))?.id ?? '')
}

const running = (lab: RegistryLab, user: string) =>
  vi.waitFor(async () => expect(await lab.container(user)).toMatchObject({ state: 'running' }))

/** Everything that a prewarm of this lab could have begun is done. */
async function settled(lab: RegistryLab): Promise<void> {
  let before = -1
  while (before !== lab.engine.calls.length) {
    before = lab.engine.calls.length
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('a client that connects', () => {
  test('has the sandbox of a returning user started, and the first call still says what became of it', async () => {
    const lab = await registryLab()
    await returning(lab, 'ada')
    const server = lab.server({ prewarm: 'returning' })
    server.prewarm('ada')
    await running(lab, 'ada')
    const lease = await server.acquire('ada')
    expect(lease.notice).toBe('resumed')
    expect(lab.calls('containers.create')).toBe(2)
  })

  test.each(['never', 'returning'] as const)(
    'has nothing made for a new user where the rule is %s',
    async (prewarm) => {
      const lab = await registryLab()
      lab.server({ prewarm }).prewarm('ada')
      await settled(lab)
      expect(await lab.engine.containers.list({})).toEqual([])
      expect(await lab.engine.volumes.list({})).toEqual([])
    },
  )

  test('has nothing started where the rule is never', async () => {
    const lab = await registryLab()
    await returning(lab, 'ada')
    lab.server({ prewarm: 'never' }).prewarm('ada')
    await settled(lab)
    expect(await lab.container('ada')).toBeUndefined()
  })

  test('has a new user’s made, too, where the rule is always', async () => {
    const lab = await registryLab()
    const server = lab.server({ prewarm: 'always' })
    server.prewarm('ada')
    await running(lab, 'ada')
    expect((await server.acquire('ada')).notice).toBe('created')
  })

  test('that connects many times has it started once', async () => {
    const lab = await registryLab()
    await returning(lab, 'ada')
    const server = lab.server({ prewarm: 'returning' })
    for (let at = 0; at < 20; at++) server.prewarm('ada')
    await running(lab, 'ada')
    await settled(lab)
    expect(lab.calls('containers.create')).toBe(2)
    expect((await lab.supervisorOf('ada')).connections.size).toBe(1)
  })
})

describe('nobody pays for it:', () => {
  test('it puts no sandbox to sleep, and takes no place that a slot could not give back', async () => {
    const lab = await registryLab()
    await returning(lab, 'ada')
    const server = lab.server({ prewarm: 'returning', maxRunning: 1 })
    ;(await server.acquire('bob')).release()
    server.prewarm('ada')
    await settled(lab)
    expect(await lab.container('ada')).toBeUndefined()
    expect(await lab.container('bob')).toBeDefined()
  })

  test('it can be put to sleep like any other', async () => {
    const lab = await registryLab()
    await returning(lab, 'ada')
    const server = lab.server({ prewarm: 'returning', maxRunning: 1 })
    server.prewarm('ada')
    await running(lab, 'ada')
    await vi.waitFor(() => expect(server.states()).toMatchObject({ idle: 1, in_use: 0, starting: 0 }))
    await server.acquire('bob')
    expect(await lab.container('ada')).toBeUndefined()
  })

  test('a backup is not brought back for it', async () => {
    const lab = await registryLab()
    const ada = labIdentity('ada')
    const owner = await ensureOwner(lab.engine, ada, { workspace: ada.volumeName })
    await replaceOwner(lab.engine, owner, { workspace: ada.volumeName, archive: 'b1' })
    const restore = vi.fn<() => Promise<void>>()
    const archiver = { archive: () => Promise.resolve(false), restore }
    lab.server({ prewarm: 'always', archiver }).prewarm('ada')
    await settled(lab)
    expect(restore).not.toHaveBeenCalled()
  })

  test('what goes wrong is a line in the log, and the call that follows meets it', async () => {
    const lab = await registryLab()
    await returning(lab, 'ada')
    const { logger, lines } = recordingLogger()
    const server = lab.server({ prewarm: 'returning', logger })
    lab.engine.fail('containers.create', new SandboxError('engine_failed', 'no'))
    server.prewarm('ada')
    await vi.waitFor(() => expect(JSON.stringify(lines)).toContain('was not made ready before its first call'))
    server.prewarm('\ud800')
    await settled(lab)
    await expect(server.acquire('ada')).rejects.toMatchObject({ code: 'engine_failed' })
    lab.engine.heal()
    expect((await server.acquire('ada')).notice).toBe('resumed')
  })

  test('a server that ends begins no other', async () => {
    const lab = await registryLab()
    await returning(lab, 'ada')
    const server = lab.server({ prewarm: 'returning' })
    server.prewarm('ada')
    await server.close(false)
    server.prewarm('ada')
    await settled(lab)
    expect(await lab.container('ada')).toBeUndefined()
  })
})
