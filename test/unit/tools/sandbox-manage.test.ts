import { describe, expect, test } from 'vitest'
import { sandboxManage } from '../../../src/tools/sandbox-manage.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeControl } from '../../helpers/fake-control.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

async function manage(args: Record<string, unknown>) {
  const control = new FakeControl()
  const outcome = await Promise.resolve().then(() => runTool(sandboxManage, args, new FakeSupervisor(), { control }))
  return { control, structured: outcome.structured }
}

describe('sandbox_manage', () => {
  test.each([
    [{ action: 'restart' }, 'restart', true],
    [{ action: 'reset' }, 'restart', true],
    [{ action: 'reset', keep_files: false }, 'startOver', false],
    [{ action: 'runtime', runtime: 'polyglot' }, 'useRuntime polyglot', true],
    [{ action: 'destroy' }, 'destroy', false],
    // Only reset takes it: a restart never costs files.
    [{ action: 'restart', keep_files: false }, 'restart', true],
  ] as const)('%j does %s, files kept: %s', async (args, asked, filesKept) => {
    const { control, structured } = await manage(args)
    expect(control.asked).toEqual([asked])
    expect(structured).toMatchObject({ action: args.action, files_kept: filesKept, processes_kept: false })
    expect('runtime' in (structured ?? {})).toBe(args.action !== 'destroy')
  })

  test('a runtime goes with action=runtime and with no other', async () => {
    expect((await expectCode(manage({ action: 'runtime' }), 'invalid_argument')).hint).toContain('polyglot')
    await expectCode(manage({ action: 'destroy', runtime: 'polyglot' }), 'invalid_argument')
  })

  test('a snapshot ends nothing, and tells which there are', async () => {
    const { control, structured } = await manage({ action: 'snapshot', snapshot: 'before-upgrade' })
    expect(control.asked).toEqual(['snapshot before-upgrade'])
    expect(structured).toMatchObject({ snapshot: 'before-upgrade', files_kept: true, processes_kept: true })
    expect(structured?.['snapshots']).toEqual(['20260131T120000000Z-0123abcd'])
  })

  test('restore takes the newest snapshot, or the one that is named, and says that the present files are gone', async () => {
    expect((await manage({ action: 'restore' })).control.asked).toEqual(['restoreSnapshot -'])
    const { control, structured } = await manage({ action: 'restore', snapshot: 'before-upgrade' })
    expect(control.asked).toEqual(['restoreSnapshot before-upgrade'])
    expect(structured).toMatchObject({ runtime: 'python-minimal', files_kept: false, processes_kept: false })
  })

  test('a snapshot is named with snapshot and restore alone', async () => {
    await expectCode(manage({ action: 'restart', snapshot: 'x' }), 'invalid_argument')
  })

  test('what is not offered is refused', async () => {
    await expectCode(manage({ action: 'clone' }), 'invalid_argument')
    await expectCode(manage({ action: 'runtime', image: 'debian' }), 'invalid_argument')
  })
})
