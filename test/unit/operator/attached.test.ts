import { describe, expect, test } from 'vitest'
import { attachedUsers } from '../../../src/operator/attached.ts'
import { destroySandbox } from '../../../src/operator/destroy.ts'
import { listSandboxes } from '../../../src/operator/list.ts'
import { prune } from '../../../src/operator/prune/prune.ts'
import { sandboxLeftovers } from '../../../src/operator/prune/sandbox-leftovers.ts'
import { showSandbox } from '../../../src/operator/show.ts'
import { stopSandbox } from '../../../src/operator/stop.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { labIdentity, registryLab, TEST_PROFILE } from '../../helpers/registry-lab.ts'

const ADA = labIdentity('ada')
const { installation } = ADA

/** Ada works in a container of the operator's by the name of `box`; bob has a sandbox. */
async function setUp() {
  const lab = await registryLab()
  const { engine } = lab
  const box = engine.foreign({ name: 'box' })
  const server = lab.server()
  ;(await server.acquire('bob')).release()
  let printed = ''
  const out = { write: (text: string) => void (printed += text), isTerminal: false, json: false }
  const attached = attachedUsers(installation, {
    of: (user) =>
      user === 'ada'
        ? { ...TEST_PROFILE, mode: { name: 'attach', container: 'box', directory: undefined, uid: undefined } }
        : TEST_PROFILE,
    named: ['ada', 'bob'],
    shortestIdleMs: 0,
  })
  const list = () => listSandboxes({ engine, installation, knownUsers: ['ada', 'bob'], attached, out })
  const show = () => showSandbox(ADA, { engine, attached, anyRuntime: () => Promise.resolve(undefined), out })
  /** A workspace of hers from before she was attached. */
  const withFilesOfBefore = async () => (await server.acquire('ada')).release()
  return { lab, engine, box, out, list, show, withFilesOfBefore, printed: () => printed }
}

describe('a container that a user is attached to', () => {
  test('is listed and shown beside the sandboxes, as what it is', async () => {
    const { box, list, show, printed } = await setUp()
    expect(await list()).toMatchObject([
      { user: 'bob', mode: null, state: 'ready', hasWorkspace: true },
      { id: `id:${ADA.userHash}`, user: 'ada', mode: 'attach', state: 'ready', containerId: box, hasWorkspace: false },
    ])
    expect(printed()).toMatch(/ada +attach +ready +[0-9a-f]{12} +the operator’s/)
    expect(await show()).toMatchObject({ mode: 'attach', state: 'ready', containerId: box, volume: null, use: null })
    expect(printed()).toMatch(/mode +attach\n/)
  })

  test.each([
    ['has ended', 'ended'],
    ['stands still', 'frozen'],
    ['is not there', 'missing'],
  ])('that %s is listed and shown as such', async (_, state) => {
    const { engine, box, list, show } = await setUp()
    if (state === 'ended') engine.kill(box)
    else if (state === 'frozen') await engine.containers.pause(box)
    else await engine.containers.remove(box)
    expect(await list()).toContainEqual(expect.objectContaining({ user: 'ada', mode: 'attach', state }))
    expect(await show()).toMatchObject({ mode: 'attach', state })
  })

  test('is listed beside the files that the user had before', async () => {
    const { list, withFilesOfBefore } = await setUp()
    await withFilesOfBefore()
    const hers = (await list()).filter(({ user }) => user === 'ada')
    expect(new Set(hers.map(({ mode }) => mode))).toEqual(new Set(['attach', null]))
  })

  test('is looked at, and neither stopped, destroyed nor pruned', async () => {
    const { engine, box, out, list, show, withFilesOfBefore } = await setUp()
    const backups = { list: () => Promise.resolve([]), removeAll: () => Promise.resolve() }
    const destroy = () => destroySandbox(ADA, { confirmed: true, withBackups: true }, { engine, backups, out })
    await expectCode(stopSandbox(ADA, { force: true }, { engine, out }), 'not_found')
    await expectCode(destroy(), 'not_found')
    await withFilesOfBefore()
    await stopSandbox(ADA, { force: true }, { engine, out })
    await destroy()
    const sources = [() => sandboxLeftovers(engine, installation, () => Promise.resolve(true))]
    await prune({ confirmed: true }, { sources, out, secondLookMs: 0 })
    engine.kill(box)
    await prune({ confirmed: true }, { sources, out, secondLookMs: 0 })
    await list()
    await show()
    expect(await engine.containers.inspect(box)).toMatchObject({ name: 'box', state: 'exited' })
    expect((await list()).filter(({ user }) => user === 'ada')).toMatchObject([{ mode: 'attach', state: 'ended' }])
  })
})
