import { afterEach, describe, expect, test, vi } from 'vitest'
import { silentLogger } from '../../../../src/lib/logger.ts'
import { LABEL } from '../../../../src/registry/identity.ts'
import { UnheldSandboxes } from '../../../../src/registry/reconcile/unheld.ts'
import { passTime } from '../../../helpers/pass-time.ts'
import { registryLab } from '../../../helpers/registry-lab.ts'

afterEach(() => vi.useRealTimers())

const ADA = 'ada'
const IDLE_MS = 600_000

/** A sandbox that another server holds, or held, as a server sees it that does not. */
async function setUp() {
  const lab = await registryLab()
  await lab.server().acquire(ADA)
  const state = await lab.supervisorOf(ADA)
  let now = 0
  const unheld = new UnheldSandboxes({ engine: lab.engine, logger: silentLogger, now: () => now })
  const asked = () => lab.calls('containers.openStream') - 1
  const look = async (idleTimeoutMs = IDLE_MS) => {
    const container = await lab.container(ADA)
    return await unheld.look(container ? [{ container, idleTimeoutMs }] : [])
  }
  return { lab, state, look, asked, wait: (ms: number) => (now += ms) }
}

test('what nobody used for the idle time is put to sleep; the files stay', async () => {
  const { lab, look } = await setUp()
  expect(await look()).toBe(1)
  expect(await lab.container(ADA)).toBeUndefined()
  expect(await lab.engine.volumes.list({ [LABEL.role]: 'workspace' })).toHaveLength(1)
})

test.each([
  ['a command runs in it', { running: 1 }],
  ['it was used a moment ago', { idleMs: 1000 }],
  ['another server is about to remove it', { held: true, holder: {} }],
])('it is kept while %s', async (_, use) => {
  const { lab, state, look } = await setUp()
  Object.assign(state, use)
  expect(await look()).toBe(0)
  expect((await lab.container(ADA))?.state).toBe('running')
})

test('nothing is asked, ever, where sandboxes never sleep', async () => {
  const { look, asked } = await setUp()
  expect(await look(0)).toBe(0)
  expect(asked()).toBe(0)
})

test('one in use is not asked again before it can be due', async () => {
  const { state, look, asked, wait } = await setUp()
  state.running = 1
  await look()
  wait(59_000)
  await look()
  expect(asked()).toBe(1)
  wait(IDLE_MS)
  await look()
  expect(asked()).toBe(2)
})

describe('a frozen one', () => {
  test('is not thawed before it stood still for the idle time, and then put to sleep', async () => {
    const { lab, look, asked, wait } = await setUp()
    await lab.engine.containers.pause((await lab.container(ADA))?.id ?? '')
    expect(await look()).toBe(0)
    wait(IDLE_MS - 1)
    expect(await look()).toBe(0)
    expect((await lab.container(ADA))?.state).toBe('paused')
    expect(asked()).toBe(0)
    wait(1)
    expect(await look()).toBe(1)
    expect(await lab.container(ADA)).toBeUndefined()
  })
})

describe('one that does not answer', () => {
  test('is removed when it answered nobody for the idle time, and not before', async () => {
    const { lab, state, look, wait } = await setUp()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    state.mute = true
    expect(await passTime(look())).toBe(0)
    wait(IDLE_MS - 1)
    expect(await passTime(look())).toBe(0)
    expect((await lab.container(ADA))?.state).toBe('running')
    wait(60_001)
    expect(await passTime(look())).toBe(1)
    expect(await lab.container(ADA)).toBeUndefined()
  })

  test('is left alone while the engine does not answer', async () => {
    const { lab, look, wait } = await setUp()
    lab.engine.fail('containers.openStream', 'hang')
    for (let times = 0; times < 3; times++) {
      await expect(Promise.race([look(), lab.engine.ping().then(() => 'hangs')])).resolves.toBe('hangs')
      wait(IDLE_MS)
    }
    expect(lab.calls('containers.remove')).toBe(0)
  })
})
