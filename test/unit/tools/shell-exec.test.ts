import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { describe, expect, test } from 'vitest'
import { NO_HANDOVER } from '../../../src/lib/handover.ts'
import { shellExec } from '../../../src/tools/shell-exec.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeControl } from '../../helpers/fake-control.ts'
import { FakeSupervisor, type Scripted } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'
import { seededBytes } from '../../helpers/random.ts'

async function run(script: Scripted, args: Record<string, unknown> = {}, fake = new FakeSupervisor()) {
  fake.script(script)
  return runTool(shellExec, { command: 'make', ...args }, fake)
}

function numbered(lines: number): string {
  return Array.from({ length: lines }, (_, at) => `line ${at}\n`).join('')
}

describe('shell_exec', () => {
  test('both channels tell everything on their own', async () => {
    const outcome = await run({ stdout: 'out\n', stderr: 'err\n', exitCode: 1 })
    expect(outcome.text).toBe('out\n[stderr]\nerr')
    expect(outcome.footer).toBe('[exit 1 · 1.2 s]')
    expect(outcome.structured).toEqual({
      status: 'exited',
      exit_code: 1,
      stdout: 'out\n',
      stderr: 'err\n',
      stdout_bytes: 4,
      stderr_bytes: 4,
      stdout_omitted_bytes: 0,
      stderr_omitted_bytes: 0,
      duration_ms: 1200,
      cpu_ms: 3,
      max_rss_bytes: 4096,
      cwd: '/workspace',
    })
  })

  test('a lone stream needs no label, and no output says so', async () => {
    expect((await run({ stderr: 'err\n' })).text).toBe('err')
    expect((await run({ stdout: 'out' })).text).toBe('out')
    expect((await run({})).text).toBe('(no output)')
  })

  test.each([
    [{ status: 'timed_out', exitCode: undefined, signal: 15 }, /timed out and killed/, 'timed_out'],
    [{ status: 'oom_killed', exitCode: undefined, signal: 9 }, /out of memory/, 'oom_killed'],
    [{ status: 'signaled', exitCode: undefined, signal: 11 }, /killed by SIGSEGV/, 'signaled'],
    [{ status: 'cancelled', exitCode: undefined }, /cancelled/, 'cancelled'],
  ] as const)('an end by %j is a normal result with the output so far', async (script, footer, status) => {
    const outcome = await run({ ...script, stdout: 'so far\n' })
    expect(outcome.footer).toMatch(footer)
    expect(outcome.text).toBe('so far')
    expect(outcome.structured).toMatchObject({ status, stdout: 'so far\n' })
    expect(outcome.structured).not.toHaveProperty('exit_code')
  })

  test('a command that goes on says so, and how to follow it', async () => {
    const outcome = await run({ status: 'running', exitCode: undefined, stdout: 'begun\n' }, { wait_s: 1 })
    expect(outcome.footer).toBe(
      '[running · 1.2 s · goes on as process_id=abc-1: follow with process_read, end with process_write signal=term]',
    )
    expect(outcome.structured).toMatchObject({ status: 'running', process_id: 'abc-1' })
  })

  test('what a command left behind is named', async () => {
    const outcome = await run({ leftRunning: true })
    expect(outcome.footer).toContain('what it started goes on as process_id=abc-1')
    expect(outcome.structured).toMatchObject({ left_running: true, process_id: 'abc-1' })
  })

  test('long output is cut at line borders, one fifth from the start, with a marker that leads to the rest', async () => {
    const stdout = numbered(10_000)
    const outcome = await run({ stdout, stdoutSpooled: true })
    const [head = '', tail = ''] = outcome.text.split(/\[… .* …\]\n/)
    expect(stdout.startsWith(head)).toBe(true)
    expect(head.endsWith('\n')).toBe(true)
    expect(tail.startsWith('line ')).toBe(true)
    expect(stdout.endsWith(`${tail}\n`)).toBe(true)
    expect(head.length / 16_384).toBeCloseTo(0.2, 1)
    const omitted = stdout.length - head.length - tail.length - 1
    expect(outcome.text).toContain(`omitted: process_read process_id=abc-1 since=${head.length}:0 …]`)
    expect(outcome.footer).toContain('omitted, process_read process_id=abc-1 or /tmp/.sandbox/abc-1.log')
    expect(outcome.structured).toMatchObject({
      stdout_bytes: stdout.length,
      stdout_omitted_bytes: omitted,
      process_id: 'abc-1',
      log_path: '/tmp/.sandbox/abc-1.log',
    })
  })

  test('cut stderr leads to its own cursor and log', async () => {
    const outcome = await run({ stderr: numbered(10_000), stderrSpooled: true })
    expect(outcome.text).toMatch(/process_id=abc-1 stream=stderr since=0:\d+ …\]/)
    expect(outcome.structured).toMatchObject({ stderr_log_path: '/tmp/.sandbox/abc-1.err.log' })
  })

  test('colours are removed, progress bars collapsed, invalid bytes replaced', async () => {
    const stdout = Buffer.concat([Buffer.from('\x1b[31mred\x1b[0m\n10%\r50%\r100%\n'), Buffer.from([0xff, 0x0a])])
    expect((await run({ stdout })).structured).toMatchObject({ stdout: 'red\n100%\n\ufffd\n' })
  })

  test.each([
    ['random base64 in one line', () => Buffer.from(seededBytes(200_000).toString('base64'))],
    ['binary garbage', () => seededBytes(200_000)],
    ['emoji', () => Buffer.from('🫠🪿🚀\n'.repeat(10_000))],
    ['bell characters', () => Buffer.alloc(200_000, 7)],
    ['numbers', () => Buffer.from(numbered(20_000))],
  ])('a result stays below 25,000 tokens in each channel: %s', async (_, make) => {
    const bytes = make()
    const outcome = await run({ stdout: bytes, stderr: bytes }, { max_output_bytes: 65_536 })
    expect(encode(outcome.text + (outcome.footer ?? '')).length).toBeLessThan(25_000)
    expect(encode(JSON.stringify(outcome.structured)).length).toBeLessThan(28_000)
    expect(encode(outcome.text).length).toBeGreaterThan(5000)
    const { stdout, stdout_omitted_bytes } = outcome.structured as { stdout: string; stdout_omitted_bytes: number }
    expect(stdout).toContain('omitted: process_read')
    expect(stdout_omitted_bytes).toBeGreaterThan(0)
  })

  test('parameters reach the supervisor in its units', async () => {
    const fake = new FakeSupervisor()
    const args = { cwd: 'src', env: { A: 'b' }, stdin: 'in', timeout_s: 7, wait_s: 3, max_output_bytes: 2000 }
    const outcome = await run({}, args, fake)
    expect(fake.started[0]).toMatchObject({
      command: 'make',
      cwd: '/workspace/src',
      env: expect.arrayContaining(['A=b']),
      timeoutMs: 7000,
      waitMs: 3000,
      head: 400,
      tail: 1600,
      keepStdinOpen: false,
    })
    expect(Buffer.from(fake.started[0]?.stdin ?? []).toString()).toBe('in')
    expect(outcome.footer).toBe('[exit 0 · 1.2 s · cwd /workspace/src]')
  })

  test('wait_s 0 runs in the background with its stdin open', async () => {
    const fake = new FakeSupervisor()
    await run({}, { wait_s: 0 }, fake)
    expect(fake.started[0]).toMatchObject({ waitMs: 0, keepStdinOpen: true })
  })

  test('a timeout above the operator’s maximum is refused and names it; the default bends to it', async () => {
    const fake = new FakeSupervisor()
    const sandbox = fake.sandbox({ maxTimeoutMs: 60_000 })
    const context = { sandbox, control: new FakeControl(), handover: NO_HANDOVER, signal: new AbortController().signal }
    const args = { command: 'a', wait_s: 1, max_output_bytes: 1024 }
    const refused = Promise.resolve().then(() => shellExec.run({ ...args, timeout_s: 61 }, context))
    const { message } = await expectCode(refused, 'invalid_argument')
    expect(message).toBe('timeout_s must be at most 60 here.')
    await shellExec.run(args, context)
    expect(fake.started.map(({ timeoutMs }) => timeoutMs)).toEqual([60_000])
  })

  test('progress passes the newest line on', async () => {
    const lines: string[] = []
    await runTool(shellExec, { command: 'a' }, new FakeSupervisor(), { onProgress: (text) => lines.push(text) })
    expect(lines).toEqual([''])
  })
})
