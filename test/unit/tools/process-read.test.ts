import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { describe, expect, test } from 'vitest'
import { processRead } from '../../../src/tools/process-read.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor, type Scripted } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

function read(script: Scripted, args: Record<string, unknown> = {}) {
  const fake = new FakeSupervisor()
  fake.script(script)
  return runTool(processRead, { process_id: 'abc-1', ...args }, fake)
}

describe('process_read', () => {
  test('gives the newest output, the status and the cursor to read on', async () => {
    const outcome = await read({ stdout: 'a\nb\n', stderr: 'e\n', status: 'running', exitCode: undefined })
    expect(outcome.text).toBe('a\nb\n[stderr]\ne')
    expect(outcome.footer).toBe('[running · 1.2 s · next since=4:2]')
    expect(outcome.structured).toEqual({
      process_id: 'abc-1',
      status: 'running',
      stdout: 'a\nb\n',
      stdout_left_bytes: 0,
      stderr: 'e\n',
      stderr_left_bytes: 0,
      next: '4:2',
      duration_ms: 1200,
    })
  })

  test('reads on from a cursor, also after the end', async () => {
    const outcome = await read({ stdout: 'first\nsecond\n', exitCode: 2 }, { since: '6:0' })
    expect(outcome.text).toBe('second')
    expect(outcome.footer).toBe('[exit 2 · 1.2 s · next since=13:0]')
  })

  test('pages a long output from its start without losing a byte', async () => {
    const stdout = Array.from({ length: 20_000 }, (_, at) => `line ${at} é\n`).join('')
    let since = '0:0'
    let whole = ''
    for (let page = 0; page < 100; page++) {
      const { structured } = await read({ stdout }, { since, stream: 'stdout' })
      const { stdout: text, next, stdout_left_bytes: left } = structured as Record<string, string | number>
      whole += String(text)
      since = String(next)
      if (left === 0) break
    }
    expect(whole).toBe(stdout)
  })

  test('a page that would cost too many tokens is cut, and the cursor with it', async () => {
    const stdout = '\x07'.repeat(32 * 1024)
    const outcome = await read({ stdout }, { since: '0:0', stream: 'stdout' })
    const shown = (outcome.text.match(/\\x07/g) ?? []).length
    expect(encode(outcome.text).length).toBeLessThan(25_000)
    expect(shown).toBeGreaterThan(1000)
    expect(outcome.structured).toMatchObject({ next: `${shown}:0`, stdout_left_bytes: stdout.length - shown })
  })

  test('one stream leaves the other out', async () => {
    const outcome = await read({ stdout: 'o\n', stderr: 'e\n' }, { stream: 'stderr' })
    expect(outcome.text).toBe('e')
    expect(outcome.structured).not.toHaveProperty('stdout')
  })

  test('tail_lines gives the newest lines and says what was passed over', async () => {
    const outcome = await read({ stdout: 'one\ntwo\nthree\n' }, { tail_lines: 2 })
    expect(outcome.text).toBe('[… 4 B before this …]\ntwo\nthree')
    expect(outcome.structured).toMatchObject({ stdout_skipped_bytes: 4, next: '14:0' })
  })

  test('since and tail_lines exclude each other', async () => {
    await expectCode(read({}, { since: '0:0', tail_lines: 1 }), 'invalid_argument')
  })

  test.each(['x', '1', '1:2:3', '-1:0', ''])('a cursor that is none is refused: %j', async (since) => {
    await expectCode(read({}, { since }), 'invalid_argument')
  })

  test('until tells whether it was met', async () => {
    expect((await read({ stdout: 'ready\n' }, { until: 'ready' })).footer).toContain('until met')
    const missed = await read({ stdout: 'no\n' }, { until: '/rea.y/' })
    expect(missed.footer).toContain('until not met')
    expect(missed.structured).toMatchObject({ until_met: false })
    await expectCode(read({}, { until: '/(/' }), 'invalid_argument')
    await expectCode(read({}, { until: 'port:99999' }), 'invalid_argument')
  })

  test('without process_id it lists the processes as a compact table', async () => {
    const fake = new FakeSupervisor()
    fake.script({ id: 'abc-7', status: 'running', exitCode: undefined })
    const outcome = await runTool(processRead, {}, fake)
    expect(outcome.text).toBe('abc-7  running  1.2 s  make\\nall')
    expect(outcome.footer).toBe('[1 running · 0 ended]')
    expect(outcome.structured).toEqual({
      processes: [{ process_id: 'abc-7', status: 'running', duration_ms: 1200, command: 'make\\nall' }],
    })
    expect((await runTool(processRead, {})).text).toBe('(no processes)')
  })

  test('an unknown process is not found', async () => {
    const { hint } = await expectCode(read({}, { process_id: 'zzz-1' }), 'not_found')
    expect(hint).toContain('process_read without process_id')
  })
})
