import { describe, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { choiceLabels, LABEL, volumeLabels } from '../../../src/registry/identity.ts'
import { failureOf } from '../../helpers/failure.ts'
import { labIdentity, registryLab, type RegistryLab } from '../../helpers/registry-lab.ts'

/** The labels of all that there is. */
async function labels(lab: RegistryLab) {
  const all = [...(await lab.engine.containers.list({})), ...(await lab.engine.volumes.list({}))]
  return all.map((each) => each.labels)
}

/** A server's death: its connections are cut, and it removes nothing. */
async function kill(lab: RegistryLab, user: string): Promise<void> {
  for (const { program } of (await lab.supervisorOf(user)).connections) program.cut()
}

describe('an anonymous user', () => {
  test('has a sandbox with a label, a name of its own, and loses all of it at the end', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const [one, two] = [server.anonymousUser(), server.anonymousUser()]
    expect(one.user).not.toBe(two.user)
    const lease = await server.acquire(one.user)
    await server.control(one.user).useRuntime('other', {})
    await server.acquire(two.user)
    // Of each a container, a workspace and a record, and one choice.
    expect(await labels(lab)).toHaveLength(7)
    for (const each of await labels(lab)) expect(each[LABEL.anonymous]).toBe('true')
    await one.end()
    expect(await labels(lab)).toHaveLength(3)
    lease.release()
    await two.end()
    expect(await labels(lab)).toEqual([])
  })

  test('who never used a sandbox costs the engine nothing', async () => {
    const lab = await registryLab()
    const before = lab.engine.calls.length
    await lab.server().anonymousUser().end()
    expect(lab.engine.calls).toHaveLength(before)
  })

  test('a user with a name has no such label', async () => {
    const lab = await registryLab()
    await lab.server().acquire('ada')
    for (const each of await labels(lab)) expect(each).not.toHaveProperty(LABEL.anonymous)
  })

  test('whose session ends while the sandbox starts leaves nothing, and the start fails', async () => {
    const gate = deferred<void>()
    const lab = await registryLab()
    const server = lab.server({
      runtime: async (name) => {
        await gate.promise
        return { ...lab.runtime, name }
      },
    })
    const { user, end } = server.anonymousUser()
    const failure = failureOf(server.acquire(user))
    const ended = end()
    gate.resolve()
    await ended
    expect(await failure).toMatchObject({ code: 'cancelled' })
    expect(await labels(lab)).toEqual([])
  })

  test('a call that was cancelled with the session makes no sandbox', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const { user, end } = server.anonymousUser()
    await end()
    const before = lab.engine.calls.length
    await expect(server.acquire(user, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone')
    expect(lab.engine.calls).toHaveLength(before)
  })

  test('keeps the sandbox while the session lives: it is neither put to sleep when idle nor to make room', async () => {
    const lab = await registryLab()
    const server = lab.server({ idleTimeoutMs: 1, maxRunning: 2 })
    const { user } = server.anonymousUser()
    ;(await server.acquire(user)).release()
    ;(await server.acquire('ada')).release()
    await vi.waitFor(async () => expect(await lab.container('ada')).toBeUndefined())
    expect(await lab.container(user)).toBeDefined()
    ;(await server.acquire('bob')).release()
    ;(await server.acquire('eve')).release()
    expect(await lab.container(user)).toBeDefined()
    await server.close(false)
  })

  test('whose sandbox cannot be removed is told so', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const { user, end } = server.anonymousUser()
    await server.acquire(user)
    vi.spyOn(lab.engine.containers, 'remove').mockRejectedValue(new Error('the engine is down'))
    await expect(end()).rejects.toThrow('the engine is down')
  })
})

describe('what an anonymous session of a server that was killed left behind', () => {
  test('is removed when two looks found nobody at it, also while commands run', async () => {
    const lab = await registryLab()
    const killed = lab.server()
    const { user } = killed.anonymousUser()
    await killed.acquire(user)
    ;(await lab.supervisorOf(user)).running = 1
    await kill(lab, user)
    const next = lab.server()
    expect(await next.lookForLeftovers()).toEqual({ removed: 0, thawed: 0, suspects: 1 })
    expect(await next.lookForLeftovers()).toEqual({ removed: 1, thawed: 0, suspects: 0 })
    expect(await labels(lab)).toEqual([])
  })

  test('is removed at once when it has ended', async () => {
    const lab = await registryLab()
    const killed = lab.server()
    const { user } = killed.anonymousUser()
    await killed.acquire(user)
    lab.engine.kill((await lab.container(user))?.id ?? '')
    expect(await lab.server().lookForLeftovers()).toEqual({ removed: 1, thawed: 0, suspects: 0 })
    expect(await labels(lab)).toEqual([])
  })

  test('is removed where only its files or its choice are left', async () => {
    const lab = await registryLab()
    const [files, choice] = [labIdentity('a', true), labIdentity('b', true)]
    await lab.engine.volumes.ensure(files.volumeName, volumeLabels(files, 1_200_000))
    await lab.engine.volumes.ensure(choice.choiceName, choiceLabels(choice, 'other'))
    const next = lab.server()
    expect(await next.lookForLeftovers()).toEqual({ removed: 0, thawed: 0, suspects: 2 })
    expect(await next.lookForLeftovers()).toEqual({ removed: 2, thawed: 0, suspects: 0 })
    expect(await labels(lab)).toEqual([])
  })

  test('is not what another server, or this one, still uses', async () => {
    const lab = await registryLab()
    const [other, server] = [lab.server(), lab.server()]
    const users = [other.anonymousUser().user, server.anonymousUser().user]
    await other.acquire(users[0] ?? '')
    await server.acquire(users[1] ?? '')
    for (let at = 0; at < 3; at++)
      expect(await server.lookForLeftovers()).toEqual({ removed: 0, thawed: 0, suspects: 0 })
    // Its container ended, but its session lives.
    lab.engine.kill((await lab.container(users[1] ?? ''))?.id ?? '')
    expect(await server.lookForLeftovers()).toEqual({ removed: 0, thawed: 0, suspects: 0 })
    expect(await lab.container(users[0] ?? '')).toBeDefined()
  })

  test('is never a user’s with a name, nor of another installation, nor paused', async () => {
    const lab = await registryLab()
    const killed = lab.server()
    await killed.acquire('ada')
    await kill(lab, 'ada')
    const paused = killed.anonymousUser().user
    await killed.acquire(paused)
    await kill(lab, paused)
    await lab.engine.containers.pause((await lab.container(paused))?.id ?? '')
    const [next, foreign] = [lab.server(), lab.server({ installation: 'other' })]
    for (let at = 0; at < 3; at++) {
      expect(await next.lookForLeftovers()).toMatchObject({ removed: 0 })
      expect(await foreign.lookForLeftovers()).toMatchObject({ removed: 0 })
    }
    expect(await lab.container('ada')).toBeDefined()
    expect(await lab.container(paused)).toBeDefined()
  })
})
