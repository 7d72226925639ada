import { describe, expect, test } from 'vitest'
import { processWrite } from '../../../src/tools/process-write.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

function running(): FakeSupervisor {
  const fake = new FakeSupervisor()
  fake.script({ status: 'running', exitCode: undefined, stdinOpen: true })
  return fake
}

describe('process_write', () => {
  test('input is written as it is', async () => {
    const fake = running()
    const outcome = await runTool(processWrite, { process_id: 'abc-1', input: 'é\n' }, fake)
    expect(fake.typed).toBe('é\n')
    expect(outcome.text).toBe('Wrote 3 B to abc-1.')
    expect(outcome.footer).toBe('[running · stdin open]')
    expect(outcome.structured).toEqual({
      process_id: 'abc-1',
      status: 'running',
      bytes_written: 3,
      stdin_open: true,
    })
  })

  test.each([
    ['int', 2, false],
    ['hup', 1, false],
    ['term', 15, true],
    ['kill', 9, true],
  ])('%s is sent as signal %i', async (signal, number, allDescendants) => {
    const fake = running()
    const outcome = await runTool(processWrite, { process_id: 'abc-1', signal }, fake)
    expect(fake.signalled).toEqual([{ signal: number, allDescendants }])
    expect(outcome.structured).toMatchObject({ signal_sent: signal, status: 'running' })
  })

  test('stdin can be closed without input', async () => {
    const fake = running()
    await runTool(processWrite, { process_id: 'abc-1', close_stdin: true }, fake)
    expect(fake.closedStdin).toBe(true)
  })

  test.each([{}, { input: 'a', signal: 'int' }, { close_stdin: true, signal: 'int' }])(
    'exactly one of input and signal must be given, not %j',
    async (args) => {
      await expectCode(runTool(processWrite, { process_id: 'abc-1', ...args }, running()), 'invalid_argument')
    },
  )

  test('too much input is refused before it is sent', async () => {
    const fake = running()
    const input = 'x'.repeat(512 * 1024 + 1)
    await expectCode(runTool(processWrite, { process_id: 'abc-1', input }, fake), 'too_large')
    expect(fake.typed).toBe('')
  })
})
