import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { codeOf, SandboxError } from '../../../src/errors/sandbox-error.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { passTime } from '../../helpers/pass-time.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'
import { registryLab, type RegistryLab } from '../../helpers/registry-lab.ts'

const ADA = 'ada'
const BOB = 'bob'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => vi.useRealTimers())

/** A server whose users have sandboxes that another server made, and that say nothing any more. */
async function setUp(...users: string[]) {
  const lab = await registryLab()
  for (const user of users) {
    await lab.server().acquire(user)
    const state = await lab.supervisorOf(user)
    state.running = 1
    state.mute = true
  }
  const { telemetry, told } = recordingTelemetry()
  const steps = () => told.filter(([method]) => method === 'recoveryStep').map(([, step, outcome]) => [step, outcome])
  return { lab, server: lab.server({ telemetry }), steps }
}

/** Restarts do not help; the containers made from the next one on are well. */
function healNext(lab: RegistryLab): void {
  const before = lab.calls('containers.create')
  Object.defineProperty(lab, 'muteNext', { get: () => lab.calls('containers.create') === before })
}

describe('a sandbox whose supervisor is silent', () => {
  test('is brought back in its container, and its user told what was lost', async () => {
    const { lab, server, steps } = await setUp(ADA)
    const before = await lab.container(ADA)
    lab.onKill = (state) => {
      state.mute = false
      return 0
    }
    const { notice } = await passTime(server.acquire(ADA))
    expect(notice).toBe('resumed')
    expect((await lab.container(ADA))?.id).toBe(before?.id)
    expect(steps()).toEqual([['kill', 'ok']])
  })

  test('through everything is made anew on the same files', async () => {
    const { lab, server, steps } = await setUp(ADA)
    const before = await lab.container(ADA)
    healNext(lab)
    const { notice } = await passTime(server.acquire(ADA))
    expect(notice).toBe('resumed')
    expect((await lab.container(ADA))?.id).not.toBe(before?.id)
    expect(steps()).toEqual([
      ['kill', 'failed'],
      ['restart', 'failed'],
      ['recreate', 'ok'],
    ])
  })

  test('also when it is new leaves its user marked: calls fail at once, and say when to come back', async () => {
    const { lab, server, steps } = await setUp(ADA)
    lab.muteNext = true
    // All of it takes longer than a client waits.
    await passTime(expectCode(server.acquire(ADA), 'sandbox_starting'))
    const error = await passTime(expectCode(server.acquire(ADA), 'sandbox_unavailable'))
    expect(error.retryAfterMs).toBe(10_000)
    expect(steps().at(-1)).toEqual(['give_up', 'failed'])
    // Nothing that does not work is left running.
    expect(await lab.container(ADA)).toBeUndefined()

    const calls = lab.engine.calls.length
    await expectCode(server.acquire(ADA), 'sandbox_unavailable')
    expect(lab.engine.calls).toHaveLength(calls)
    lab.muteNext = false
    // A restart that the user asks for is tried at once.
    await server.control(ADA).restart({})
    expect((await lab.container(ADA))?.state).toBe('running')
  })
})

describe('nothing of a sandbox is ended', () => {
  test('while the engine itself does not answer', async () => {
    const { lab, server, steps } = await setUp(ADA)
    const before = await lab.container(ADA)
    const acquiring = server.acquire(ADA).then(
      () => 'acquired',
      (error: unknown) => codeOf(error),
    )
    await vi.waitFor(() => expect(lab.calls('containers.openStream')).toBe(2))
    lab.engine.fail('*', new SandboxError('engine_unreachable', 'No container engine answered.'))
    expect(await passTime(acquiring)).toBe('engine_unreachable')
    lab.engine.heal()
    expect(await lab.container(ADA)).toMatchObject({ id: before?.id, state: 'running' })
    expect(await lab.supervisorOf(ADA)).toMatchObject({ running: 1 })
    expect(lab.kills).toEqual([])
    expect(steps()).toEqual([])
  })

  test('while bridges hang in the sandboxes of two users: then it is the engine that starts nothing', async () => {
    const { lab, server, steps } = await setUp(ADA, BOB)
    healNext(lab)
    const outcomes = [ADA, BOB].map((user) =>
      server.acquire(user).then(
        () => 'acquired',
        (error: unknown) => codeOf(error),
      ),
    )
    // The first of them cannot be told from a sandbox that is stuck.
    expect((await passTime(Promise.all(outcomes))).sort()).toEqual(['acquired', 'engine_unreachable'])
    expect(new Set(lab.kills.map(({ containerId }) => containerId)).size).toBe(1)
    expect(steps()).toEqual([
      ['kill', 'failed'],
      ['restart', 'failed'],
      ['recreate', 'ok'],
    ])
  })
})

test('a sandbox whose bridges are killed again and again is brought to rest before it is used', async () => {
  const { lab, server, steps } = await setUp()
  await server.acquire(ADA)
  const state = await lab.supervisorOf(ADA)
  state.running = 2
  for (let times = 0; times < 3; times++) {
    for (const { program } of state.connections) program.exit(137)
    await passTime(vi.waitFor(() => expect(server.states().idle + server.states().in_use).toBe(0)))
    expect(state.running).toBe(2)
    await passTime(server.acquire(ADA))
  }
  expect(state.running).toBe(0)
  expect(steps()).toEqual([['end_commands', 'ok']])
})

test('a sandbox that another server puts to sleep again and again is used as it is, with what runs in it', async () => {
  const { lab, server, steps } = await setUp()
  const other = lab.server()
  for (let times = 0; times < 4; times++) {
    await passTime(other.acquire(ADA))
    const state = await lab.supervisorOf(ADA)
    state.running = 2
    await passTime(server.acquire(ADA))
    expect(state.running).toBe(2)
    // Its bridges end with it, by the same signal.
    for (const { program } of state.connections) program.exit(137)
    await lab.engine.containers.remove((await lab.container(ADA))?.id ?? '')
    for (const each of [server, other]) {
      await passTime(vi.waitFor(() => expect(each.states().idle + each.states().in_use).toBe(0)))
    }
  }
  expect(steps()).toEqual([])
})
