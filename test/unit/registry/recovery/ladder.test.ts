import { afterEach, describe, expect, test, vi } from 'vitest'
import { SandboxError } from '../../../../src/errors/sandbox-error.ts'
import { silentLogger } from '../../../../src/lib/logger.ts'
import { recover } from '../../../../src/registry/recovery/ladder.ts'
import { type Patient, STEPS, type Symptom } from '../../../../src/registry/recovery/steps.ts'
import { SupervisorClient } from '../../../../src/supervisor/client.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { passTime } from '../../../helpers/pass-time.ts'
import { recordingTelemetry } from '../../../helpers/recording-telemetry.ts'
import { registryLab, type RegistryLab, type SupervisorState } from '../../../helpers/registry-lab.ts'

afterEach(() => vi.useRealTimers())

const ADA = 'ada'

/** A running sandbox with two commands that is out of order from now on. */
async function setUp(disorder: (state: SupervisorState, lab: RegistryLab) => void) {
  const lab = await registryLab()
  const { telemetry, told } = recordingTelemetry()
  await lab.server().acquire(ADA)
  const container = await lab.container(ADA)
  if (!container) throw new Error('there is no container')
  const state = await lab.supervisorOf(ADA)
  state.running = 2
  disorder(state, lab)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const [user] = container.effective.user.split(':')
  const patient: Patient = { id: container.id, startedAtMs: container.startedAtMs, uid: Number(user) }
  const deps = { engine: lab.engine, logger: silentLogger, telemetry }
  return {
    lab,
    told,
    state,
    patient,
    deps,
    recover: (symptom: Symptom) => passTime(recover(deps, patient, symptom)),
  }
}

const mute = (state: SupervisorState) => void (state.mute = true)

describe('a sandbox whose connections are cut again and again', () => {
  test('is well when its commands were ended', async () => {
    const { recover, state, told, lab } = await setUp(() => {})
    expect(await recover('cut')).toBeInstanceOf(SupervisorClient)
    expect(state.running).toBe(0)
    expect(told).toEqual([['recoveryStep', 'end_commands', 'ok']])
    expect(lab.kills).toEqual([])
  })

  test('loses all its processes when that is not enough', async () => {
    // The first bridge, that of the first step, is cut.
    const { recover, state, told, lab } = await setUp((_, { bridgeExits }) => bridgeExits.push(137))
    expect(await recover('cut')).toBeInstanceOf(SupervisorClient)
    expect(state.running).toBe(0)
    expect(told).toEqual([
      ['recoveryStep', 'end_commands', 'failed'],
      ['recoveryStep', 'kill_all', 'ok'],
    ])
    expect(lab.kills).toEqual([])
  })
})

describe('a sandbox that is silent', () => {
  test('is well when the processes of its uid were ended beside it', async () => {
    const { recover, told, lab, patient } = await setUp((state, lab) => {
      mute(state)
      lab.onKill = () => {
        state.mute = false
        return 0
      }
    })
    expect(await recover('silent')).toBeInstanceOf(SupervisorClient)
    expect(lab.kills).toEqual([{ containerId: patient.id, uid: patient.uid }])
    expect(told).toEqual([['recoveryStep', 'kill', 'ok']])
    expect(lab.calls('containers.stop')).toBe(0)
  })

  test.each([
    ['helps', 0],
    ['works', 1],
  ])('is restarted, in the same container, when that no longer %s', async (_, exitCode) => {
    const { recover, told, lab, patient, state } = await setUp((state, lab) => {
      mute(state)
      lab.onKill = () => exitCode
    })
    const client = await recover('silent')
    expect(client).toBeInstanceOf(SupervisorClient)
    expect((client as SupervisorClient).connection.hello.bootId).not.toEqual(state.bootId)
    expect(await lab.container(ADA)).toMatchObject({ id: patient.id, state: 'running' })
    expect(told).toEqual([
      ['recoveryStep', 'kill', 'failed'],
      ['recoveryStep', 'restart', 'ok'],
    ])
  })

  test('is beyond help when it is silent after its restart', async () => {
    const { recover, told, lab, patient } = await setUp((state, lab) => {
      mute(state)
      lab.muteNext = true
    })
    expect(await recover('silent')).toBe('exhausted')
    expect(told.map(([, step, outcome]) => [step, outcome])).toEqual([
      ['kill', 'failed'],
      ['restart', 'failed'],
    ])
    // Removing it is for whoever makes another.
    expect((await lab.container(ADA))?.id).toBe(patient.id)
  })

  test('does not hold up a step for longer than its deadline', async () => {
    const { deps, patient, told, lab } = await setUp(mute)
    vi.useRealTimers()
    const stuck = { name: 'kill', deadlineMs: 20, run: () => new Promise<void>(() => {}) } as const
    const [, restart] = STEPS.silent
    if (!restart) throw new Error('there is no restart')
    expect(await recover(deps, patient, 'silent', undefined, [stuck, restart])).toBeInstanceOf(SupervisorClient)
    expect(told.map(([, step, outcome]) => [step, outcome])).toEqual([
      ['kill', 'failed'],
      ['restart', 'ok'],
    ])
    expect(lab.calls('containers.stop')).toBe(1)
  })
})

describe('nothing is ended', () => {
  test.each<Symptom>(['cut', 'silent'])('while the engine does not answer (%s)', async (symptom) => {
    const { recover, told, lab, state } = await setUp(mute)
    lab.engine.fail('containers.inspect', 'hang')
    await expectCode(recover(symptom), 'engine_unreachable')
    lab.engine.heal()
    expect(lab.kills).toEqual([])
    expect(lab.calls('containers.stop')).toBe(0)
    expect(state.running).toBe(2)
    expect(told).toEqual([])
  })

  test('more once the engine stops answering between two steps', async () => {
    const { recover, told, lab } = await setUp((state, lab) => {
      mute(state)
      lab.onKill = () => {
        lab.engine.fail('*', 'hang')
        return 0
      }
    })
    await expectCode(recover('silent'), 'engine_unreachable')
    lab.engine.heal()
    expect(told).toEqual([['recoveryStep', 'kill', 'failed']])
    expect(lab.calls('containers.stop')).toBe(0)
  })

  test('when another server has restarted it meanwhile', async () => {
    const { recover, told, lab, patient } = await setUp(mute)
    vi.useRealTimers()
    await lab.engine.containers.stop(patient.id, { graceMs: 0 })
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(patient.startedAtMs))
    await lab.engine.containers.start(patient.id)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    expect(await recover('silent')).toBe('changed')
    expect(told).toEqual([])
    expect(lab.kills).toEqual([])
  })

  test.each([
    ['gone', (lab: RegistryLab, id: string) => lab.engine.containers.remove(id)],
    ['frozen', (lab: RegistryLab, id: string) => lab.engine.containers.pause(id)],
  ])('when it is %s meanwhile', async (_, change) => {
    const { recover, told, lab, patient } = await setUp(mute)
    await change(lab, patient.id)
    expect(await recover('silent')).toBe('changed')
    expect(told).toEqual([])
  })

  test('when the caller gives up', async () => {
    const { deps, patient, lab } = await setUp(mute)
    const cancel = new AbortController()
    const reason = new SandboxError('cancelled', 'The caller is gone.')
    lab.onKill = () => {
      cancel.abort(reason)
      return 0
    }
    await expect(passTime(recover(deps, patient, 'silent', cancel.signal))).rejects.toBe(reason)
    expect(lab.calls('containers.stop')).toBe(0)
  })
})
