import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { runningCommands } from '../helpers/processes.ts'
import { TestServer } from '../helpers/start-server.ts'

const installation = useInstallation()

/** A server that is spoken to in raw lines, and what it said so far, by lines. */
function rawServer() {
  const server = new TestServer({ installation: installation.name, user: installation.newUser() })
  let text = ''
  server.child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  return {
    say: (line: string) => void server.child.stdin.write(`${line}\n`),
    lines: () => text.split('\n').slice(0, -1),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

const PING = (id: number | string) => JSON.stringify({ jsonrpc: '2.0', id, method: 'ping' })
const answerTo = (lines: readonly string[], id: number | string) =>
  lines
    .map((line) => JSON.parse(line) as { id: unknown; result?: unknown; error?: unknown })
    .find((each) => each.id === id)

// TS16
test.each([
  ['no JSON', '{oops'],
  ['null', 'null'],
  ['a number out of range', '{"jsonrpc":"2.0","id":1e400,"method":"ping"}'],
  ['a byte order mark', '\ufeff{}'],
  ['NaN', '{"jsonrpc":"2.0","id":NaN,"method":"ping"}'],
  ['100,000 brackets', '['.repeat(100_000)],
  ['an empty batch', '[]'],
  ['an answer to a question that was not asked', '{"jsonrpc":"2.0","id":77,"result":{}}'],
  ['a cancel of an unknown request', '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}'],
  ['an unknown notification', '{"jsonrpc":"2.0","method":"notifications/none"}'],
])('a line that is %s is no crash, and the next request is answered', async (_name, line) => {
  await using server = rawServer()
  const { say, lines } = server
  say(line)
  say(PING('after'))
  await expect
    .poll(() => answerTo(lines(), 'after'), { timeout: 20_000 })
    .toEqual({ jsonrpc: '2.0', id: 'after', result: {} })
  // TS23
  for (const each of lines()) expect(JSON.parse(each)).toMatchObject({ jsonrpc: '2.0' })
})

test('an unknown method is answered with -32601, so that a client of a newer protocol falls back', async () => {
  await using server = rawServer()
  const { say, lines } = server
  say(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: {} }))
  await expect.poll(() => answerTo(lines(), 1), { timeout: 20_000 }).toMatchObject({ error: { code: -32_601 } })
})

// TS20
test('a request id that is used again after its answer is answered again', async () => {
  await using server = rawServer()
  const { say, lines } = server
  say(PING(5))
  await expect.poll(() => lines().length, { timeout: 20_000 }).toBe(1)
  say(PING(5))
  await expect.poll(() => lines().length, { timeout: 20_000 }).toBe(2)
})

describe('progress', () => {
  test('comes at once, then every few seconds, with growing numbers, the time and the last line of output', async () => {
    await using server = await installation.start({ user: installation.newUser() })
    await server.exec('true')
    const started = performance.now()
    const beats: { progress: number; message?: string | undefined; atMs: number }[] = []
    const onprogress = ({ progress, message }: { progress: number; message?: string | undefined }) =>
      void beats.push({ progress, message, atMs: performance.now() - started })
    await server.call('shell_exec', { command: 'echo first; echo "last line"; sleep 7' }, { onprogress })
    // Beats are 3 s apart: earlier than that is the first one.
    expect(beats[0]?.atMs).toBeLessThan(2500)
    expect(beats.length).toBeGreaterThanOrEqual(3)
    for (const [at, beat] of beats.entries()) expect(beat.progress).toBeGreaterThan(beats[at - 1]?.progress ?? 0)
    expect(beats.at(-1)?.message).toMatch(/^\d.* · last line$/)
  })

  test('is not sent to a client that did not ask for it', async () => {
    await using server = await installation.start({ user: installation.newUser() })
    await server.exec('sleep 4')
    expect(server.messages.filter((message) => 'method' in message)).toEqual([])
  })
})

test('a call that is cancelled while the sandbox starts leaves a sandbox that the next call can use', async () => {
  const user = installation.newUser()
  await using server = await installation.start({ user })
  const controller = new AbortController()
  const call = server
    .call('shell_exec', { command: 'echo ran > ran' }, { signal: controller.signal })
    .catch(() => 'cancelled')
  controller.abort()
  expect(await call).toBe('cancelled')
  expect(await server.output('ls -A')).toBe('')
  expect(await runningCommands(server)).toEqual([])
  expect(await installation.containers(user)).toHaveLength(1)
})
