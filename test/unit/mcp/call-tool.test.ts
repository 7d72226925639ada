import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { NO_HANDOVER } from '../../../src/lib/handover.ts'
import { noTelemetry } from '../../../src/lib/telemetry.ts'
import { type CallDeps, callTool, type ToolCall } from '../../../src/mcp/call-tool.ts'
import { readFile } from '../../../src/tools/read-file.ts'
import { sandboxManage } from '../../../src/tools/sandbox-manage.ts'
import { shellExec } from '../../../src/tools/shell-exec.ts'
import type { Tool } from '../../../src/tools/tool.ts'
import { roomyAdmission } from '../../helpers/admission.ts'
import { FakeProvider } from '../../helpers/fake-provider.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'

function call(provider: FakeProvider, overrides: Partial<ToolCall> = {}, deps: Partial<CallDeps> = {}) {
  const { logger, lines } = recordingLogger()
  const result = callTool(
    {
      provider,
      logger,
      admission: roomyAdmission(),
      telemetry: noTelemetry,
      handoverOf: () => NO_HANDOVER,
      ...deps,
    },
    {
      tool: shellExec,
      caller: { user: 'alice', transport: 'stdio' },
      args: { command: 'true' },
      signal: new AbortController().signal,
      ...overrides,
    },
  )
  return { result, lines }
}

function failing(error: unknown): Tool {
  return { ...shellExec, run: () => Promise.reject(error) }
}

describe('one tool call', () => {
  test('runs in the sandbox of its caller and gives the lease back', async () => {
    const provider = new FakeProvider()
    provider.supervisor('alice').script({ stdout: 'hi\n' })
    const result = await call(provider).result
    expect(result.content[0]).toEqual({ type: 'text', text: 'hi' })
    expect(result.isError).toBeUndefined()
    expect(provider.acquired).toEqual(['alice'])
    expect(provider.held).toBe(0)
  })

  test('bad arguments are told without starting a sandbox', async () => {
    const provider = new FakeProvider()
    const result = await call(provider, { args: { cmd: 'true' } }).result
    expect(result).toMatchObject({ isError: true })
    expect(result.content[0]).toMatchObject({ text: expect.stringMatching(/^invalid_argument: command is missing/) })
    expect(provider.acquired).toEqual([])
  })

  test('a non-zero exit is a normal result', async () => {
    const provider = new FakeProvider()
    provider.supervisor('alice').script({ exitCode: 7 })
    const result = await call(provider).result
    expect(result.isError).toBeUndefined()
    expect(result.structuredContent).toMatchObject({ exit_code: 7 })
  })

  test('a sandbox that cannot start is told with its code and what to do', async () => {
    const provider = new FakeProvider()
    provider.before = () => {
      throw new SandboxError('engine_unreachable', 'Docker does not answer.')
    }
    const result = await call(provider).result
    expect(result.content).toEqual([
      {
        type: 'text',
        text: 'engine_unreachable: Docker does not answer. Start the container engine. Nothing was run anywhere else.',
      },
    ])
    expect(result.isError).toBe(true)
    expect(result.structuredContent).toBeUndefined()
  })

  test('a tool that fails gives the lease back', async () => {
    const provider = new FakeProvider()
    const { result, lines } = call(provider, { tool: failing(new TypeError('a bug in /srv/app')) })
    expect(JSON.stringify(await result)).not.toContain('/srv/app')
    expect(provider.held).toBe(0)
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1)
  })

  test('the notice is told with a success and with a failure', async () => {
    const provider = new FakeProvider()
    provider.notice = 'recreated'
    const good = await call(provider).result
    expect(good.structuredContent).toMatchObject({ notice: expect.stringContaining('recreated') })
    const bad = await call(provider, { tool: readFile, args: { path: 'gone' } }).result
    expect(bad.content[0]).toMatchObject({ text: expect.stringMatching(/^\[sandbox recreated.*\]\nnot_found: gone/) })
  })

  test('after a cancel every failure is a cancel, also with a reason that is no error', async () => {
    const provider = new FakeProvider()
    const controller = new AbortController()
    provider.before = ({ signal }) => {
      controller.abort('the user pressed stop')
      signal?.throwIfAborted()
    }
    const { result, lines } = call(provider, { signal: controller.signal })
    expect((await result).content[0]).toMatchObject({ text: expect.stringMatching(/^cancelled: /) })
    expect(lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('the steps of a start are passed on as progress', async () => {
    const provider = new FakeProvider()
    provider.before = ({ onProgress }) => onProgress?.('starting the sandbox')
    const texts: string[] = []
    await call(provider, { onProgress: (text) => texts.push(text) }).result
    expect(texts).toEqual(['starting the sandbox', ''])
  })

  test('a good call logs nothing above debug, and neither command nor output at all', async () => {
    const provider = new FakeProvider()
    provider.supervisor('alice').script({ stdout: 'a secret' })
    const { result, lines } = call(provider, { args: { command: 'echo another secret' } })
    await result
    expect(lines.map(({ level }) => level)).toEqual(['debug'])
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  test('beyond the caps waits for its place, and is refused with what to do when it gets none', async () => {
    const provider = new FakeProvider()
    const admission = roomyAdmission({ maxCallsPerUser: 1, queueTimeoutMs: 0 })
    const running = deferred<void>()
    const first = admission.run('alice', undefined, () => running.promise)
    const { telemetry, told } = recordingTelemetry()
    const refused = await call(provider, {}, { admission, telemetry }).result
    expect(refused).toMatchObject({ isError: true })
    expect(refused.content[0]).toMatchObject({
      text: expect.stringMatching(/^sandbox_limit: You have 1 calls running.* Call again in 1 s/),
    })
    expect(provider.acquired).toEqual([])
    const bob = await call(provider, { caller: { user: 'bob', transport: 'stdio' } }, { admission, telemetry }).result
    expect(bob.isError).toBeUndefined()
    running.resolve()
    await first
    expect((await call(provider, {}, { admission, telemetry }).result).isError).toBeUndefined()
    expect(told).toEqual([
      ['toolCall', 'shell_exec', 'sandbox_limit'],
      ['toolCall', 'shell_exec', 'ok'],
      ['toolCall', 'shell_exec', 'ok'],
    ])
  })

  test('that manages the sandbox counts, too', async () => {
    const admission = roomyAdmission({ maxCallsPerUser: 1, queueTimeoutMs: 0 })
    const running = deferred<void>()
    const first = admission.run('alice', undefined, () => running.promise)
    const refused = await call(new FakeProvider(), { tool: sandboxManage, args: { action: 'restart' } }, { admission })
      .result
    expect(refused.content[0]).toMatchObject({ text: expect.stringMatching(/^sandbox_limit: /) })
    running.resolve()
    await first
  })

  test('is counted by its tool and its outcome, in which a command that fails is none of ours', async () => {
    const { telemetry, told } = recordingTelemetry()
    const provider = new FakeProvider()
    provider.supervisor('alice').script({ exitCode: 7 })
    await call(provider, {}, { telemetry }).result
    await call(provider, { args: { cmd: 'true' } }, { telemetry }).result
    await call(provider, { tool: readFile, args: { path: 'gone' } }, { telemetry }).result
    await call(provider, { tool: failing(new TypeError('a bug')) }, { telemetry }).result
    await call(provider, { signal: AbortSignal.abort('gone') }, { telemetry }).result
    expect(told).toEqual([
      ['toolCall', 'shell_exec', 'ok'],
      ['toolCall', 'shell_exec', 'invalid_argument'],
      ['toolCall', 'read_file', 'not_found'],
      ['toolCall', 'shell_exec', 'internal'],
      ['toolCall', 'shell_exec', 'cancelled'],
    ])
  })
})
