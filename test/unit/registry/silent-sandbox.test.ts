import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { failureOf } from '../../helpers/failure.ts'
import { registryLab } from '../../helpers/registry-lab.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => void vi.useRealTimers())

const ADA = 'ada'

async function passTime(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A call of a sandbox whose stream gives nothing any more, and what has become of it. */
async function silentLab() {
  const lab = await registryLab()
  const server = lab.server()
  const { sandbox } = await server.acquire(ADA)
  const state = await lab.supervisorOf(ADA)
  const spoke = deferred<void>()
  state.frozen = spoke.promise
  const ask = () => {
    const told: { outcome: 'open' | 'answered'; failure?: unknown } = { outcome: 'open' }
    const asking = sandbox.files.stat('/').then(() => void (told.outcome = 'answered'))
    void failureOf(asking).then((failure) => (told.failure = failure))
    return told
  }
  return { lab, server, state, ask, spoke }
}

describe('a call of a sandbox that says nothing', () => {
  test('is told within 15 s that it is the engine, where that says nothing either, and asks it no more', async () => {
    const { lab, server, ask, spoke } = await silentLab()
    lab.engine.fail('*', 'hang')
    const before = lab.engine.calls.length
    const told = ask()
    await passTime(12_900)
    expect(told.outcome).toBe('open')
    expect(told.failure).toBeUndefined()
    await passTime(2100)
    expect(told.failure).toMatchObject({ code: 'engine_unreachable' })
    expect(lab.engine.calls.slice(before)).toEqual(['containers.inspect'])
    spoke.resolve()
    lab.engine.heal()
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    await server.close(false)
  })

  test('goes on over a new stream where the engine tells that the sandbox runs', async () => {
    const { lab, server, state, ask } = await silentLab()
    const told = ask()
    await passTime(9000)
    expect(told.outcome).toBe('open')
    state.frozen = undefined
    await passTime(6000)
    expect(told.outcome).toBe('answered')
    expect(lab.calls('containers.create')).toBe(1)
    await server.close(false)
  })

  test('is no reason to doubt the engine at a later start', async () => {
    const { lab, server, state, ask, spoke } = await silentLab()
    lab.engine.fail('*', 'hang')
    const told = ask()
    await passTime(12_000)
    spoke.resolve()
    lab.engine.heal()
    await passTime(0)
    expect(told.outcome).toBe('answered')
    await passTime(10_000)
    for (const { program } of state.connections) program.exit(9)
    await passTime(0)
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    await server.close(false)
  })
})
