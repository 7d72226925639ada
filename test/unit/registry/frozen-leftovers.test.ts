import { describe, expect, test } from 'vitest'
import { registryLab } from '../../helpers/registry-lab.ts'

const ADA = 'ada'

/** A user's sandbox that was frozen; `server` still holds it until it is closed. */
async function frozenLab() {
  const lab = await registryLab()
  const owner = lab.server()
  ;(await owner.acquire(ADA)).release()
  const id = (await lab.container(ADA))?.id ?? ''
  await lab.engine.containers.pause(id)
  const stateOf = async () => (await lab.container(ADA))?.state
  /** Ends as after a SIGKILL: its streams are cut, and nothing is tidied up. */
  const killOwner = async () => {
    for (const connection of (await lab.supervisorOf(ADA)).connections) connection.program.cut()
  }
  return { lab, owner, stateOf, killOwner }
}

describe('a frozen sandbox', () => {
  test('whose server was killed is thawed at the second look, so that it can end by itself', async () => {
    const { lab, stateOf, killOwner } = await frozenLab()
    await killOwner()
    const next = lab.server()
    expect(await next.lookForLeftovers()).toEqual({ removed: 0, thawed: 0, suspects: 1 })
    expect(await stateOf()).toBe('paused')
    expect(await next.lookForLeftovers()).toEqual({ removed: 0, thawed: 1, suspects: 0 })
    expect(await stateOf()).toBe('running')
  })

  test('that another server holds stays frozen, and is not asked again soon', async () => {
    const { lab, stateOf } = await frozenLab()
    const next = lab.server()
    await next.lookForLeftovers()
    expect(await next.lookForLeftovers()).toEqual({ removed: 0, thawed: 0, suspects: 0 })
    expect(await stateOf()).toBe('paused')
    expect(lab.calls('containers.unpause')).toBe(1)
    for (let at = 0; at < 3; at++) await next.lookForLeftovers()
    expect(lab.calls('containers.unpause')).toBe(1)
  })

  test('of the server that looks is left to its own ladder', async () => {
    const { lab, owner } = await frozenLab()
    for (let at = 0; at < 3; at++) {
      expect(await owner.lookForLeftovers()).toEqual({ removed: 0, thawed: 0, suspects: 0 })
    }
    expect(lab.calls('containers.unpause')).toBe(0)
  })

  test('of another installation is never touched', async () => {
    const { lab, killOwner } = await frozenLab()
    await killOwner()
    const foreign = lab.server({ installation: 'other' })
    for (let at = 0; at < 3; at++) await foreign.lookForLeftovers()
    expect(lab.calls('containers.unpause')).toBe(0)
  })
})
