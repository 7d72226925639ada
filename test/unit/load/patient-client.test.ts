import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { CallResult } from '../../../src/mcp/protocol.ts'
import { failureOf } from '../../helpers/failure.ts'
import type { McpClient } from '../../helpers/mcp-client.ts'
import { CallFailed, PatientClient } from '../../load/patient-client.ts'
import { Tally } from '../../load/tally.ts'

const MARK = 'mark-0001-abc'
const answer = (text: string, isError = false): CallResult => ({ content: [{ type: 'text', text }], isError })

/** A user whose client gives these answers, one after the other. */
function userWith(...answers: readonly (CallResult | Error)[]) {
  const tally = new Tally()
  const left = [...answers]
  const client = {
    callTool: () => {
      const next = left.shift()
      return next instanceof Error || !next
        ? Promise.reject(next ?? new Error('no answer left'))
        : Promise.resolve(next)
    },
  } as unknown as McpClient
  return { tally, user: new PatientClient(MARK, [client], tally, () => 0) }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('a refused call is made again when the server said, and counted', async () => {
  const { tally, user } = userWith(
    answer('sandbox_limit: No place. Call again in 2 s, with fewer calls at once.', true),
    answer(`${MARK} served`),
  )
  const call = user.call('exec', 'shell_exec', {})
  await vi.advanceTimersByTimeAsync(1999)
  expect(tally.calls).toBe(0)
  await vi.advanceTimersByTimeAsync(1)
  expect(await call).toEqual(answer(`${MARK} served`))
  expect(Object.fromEntries(tally.refusals)).toEqual({ sandbox_limit: 1 })
  expect(tally.vagueRefusals).toBe(0)
})

test('a refusal that came as an error of the transport is one, too, and one without a time is told apart', async () => {
  const { tally, user } = userWith(new Error('HTTP 429: {"error":{"code":"rate_limited"}}'), answer(MARK))
  const call = user.call('exec', 'shell_exec', {})
  await vi.runAllTimersAsync()
  await call
  expect(Object.fromEntries(tally.refusals)).toEqual({ rate_limited: 1 })
  expect(tally.vagueRefusals).toBe(1)
})

test('a user who is refused for minutes is a failure', async () => {
  const no = answer('sandbox_limit: No place. Call again in 3 min.', true)
  const { user } = userWith(no, no, no, no, no, no)
  const failure = failureOf(user.call('exec', 'shell_exec', {}))
  await vi.runAllTimersAsync()
  expect(await failure).toMatchObject({ message: expect.stringContaining('was refused for') })
})

test.each([
  ['an error that is no refusal', answer('sandbox_stopped: Gone.', true)],
  ['a text that only mentions a refusal', answer('internal: no sandbox_limit: here', true)],
  ['another user’s mark', answer(`${MARK} mark-0002-def`)],
  ['a connection that broke', new Error('fetch failed')],
])('%s is a failure', async (_, given) => {
  const { tally, user } = userWith(given)
  await expect(user.call('exec', 'shell_exec', {})).rejects.toThrow(CallFailed)
  expect(tally.refusedInAll).toBe(0)
})
