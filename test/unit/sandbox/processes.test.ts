import { describe, expect, test } from 'vitest'
import { formatCursor, parseCursor, Processes, type ProcessReadSpec } from '../../../src/sandbox/processes.ts'
import { parseCondition } from '../../../src/sandbox/wait-condition.ts'
import { FrameType } from '../../../src/supervisor/protocol.ts'
import { failureOf } from '../../helpers/failure.ts'
import { scriptedLink, TEST_FACTS } from '../../helpers/scripted-link.ts'
import { fieldsOf, type HostFrame } from '../../helpers/scripted-supervisor.ts'
import { reply, type SummaryValues } from '../../helpers/supervisor-frames.ts'

const BOTH = { stdout: true, stderr: true }
const SPEC: ProcessReadSpec = { id: 'abc-1', streams: BOTH, maxBytes: 100, waitMs: 0 }

async function start() {
  const link = await scriptedLink()
  const [supervisor] = link.supervisors
  if (!supervisor) throw new Error('no supervisor')
  return { supervisor, processes: new Processes(link, TEST_FACTS) }
}

function outputFields(frame: HostFrame) {
  const fields = fieldsOf(frame)
  return {
    ref: fields.text(),
    flags: fields.u8(),
    sinceStdout: fields.count64(),
    sinceStderr: fields.count64(),
    maxBytes: fields.u32(),
    waitMs: fields.u32(),
  }
}

/** A process whose two streams hold `stdout` and `stderr`; answers as the real supervisor does. */
async function process(stdout: Buffer, stderr = Buffer.alloc(0), summary: SummaryValues = { status: 'exited' }) {
  const started = await start()
  started.supervisor.answer = (frame) => {
    if (frame.type !== FrameType.output) return undefined
    const { flags, sinceStdout, sinceStderr, maxBytes } = outputFields(frame)
    const pageOf = (all: Buffer, since: number, isWanted: boolean) => {
      const first = (flags & 4) === 0 ? Math.min(since, all.length) : Math.max(0, all.length - since)
      return { first, data: isWanted ? all.subarray(first, first + maxBytes) : Buffer.alloc(0) }
    }
    return reply.output(
      frame.channel,
      { ...summary, totalStdout: stdout.length, totalStderr: stderr.length },
      pageOf(stdout, sinceStdout, (flags & 1) !== 0),
      pageOf(stderr, sinceStderr, (flags & 2) !== 0),
    )
  }
  return started
}

describe('a page', () => {
  test('without a cursor is the newest', async () => {
    const { supervisor, processes } = await process(Buffer.from('x'.repeat(150)), Buffer.from('err'))
    const page = await processes.read(SPEC)
    expect(outputFields(await supervisor.next(FrameType.output))).toEqual({
      ref: 'abc-1',
      flags: 7,
      sinceStdout: 100,
      sinceStderr: 100,
      maxBytes: 100,
      waitMs: 0,
    })
    expect(page.stdout).toEqual({ data: Buffer.from('x'.repeat(100)), first: 50, skippedBytes: 50, leftBytes: 0 })
    expect(page.stderr).toEqual({ data: Buffer.from('err'), first: 0, skippedBytes: 0, leftBytes: 0 })
    expect(page.next).toEqual({ stdout: 150, stderr: 3 })
    expect(page.reached).toBeUndefined()
  })

  test('by page, with whole characters, gives every byte once', async () => {
    const all = Buffer.from('añ€😀'.repeat(50))
    const { processes } = await process(all)
    const pieces: Buffer[] = []
    let since = { stdout: 0, stderr: 0 }
    while (since.stdout < all.length) {
      const page = await processes.read({ ...SPEC, maxBytes: 7, since })
      expect(page.stdout.data.length).toBeGreaterThan(0)
      expect(page.stdout.data.toString()).not.toContain('\ufffd')
      expect(page.stdout.skippedBytes).toBe(0)
      expect(page.stdout.leftBytes).toBe(all.length - page.next.stdout)
      pieces.push(page.stdout.data)
      since = page.next
    }
    expect(Buffer.concat(pieces).equals(all)).toBe(true)
  })

  test('gets on even when a character is larger than the page', async () => {
    const all = Buffer.from('😀😀')
    const { processes } = await process(all)
    let since = { stdout: 0, stderr: 0 }
    for (let pages = 0; since.stdout < all.length; pages++) {
      expect(pages).toBeLessThan(8)
      since = (await processes.read({ ...SPEC, maxBytes: 2, since })).next
    }
  })

  test('holds back a cut character while more may come, and gives it at the end', async () => {
    const cut = Buffer.from([0x61, 0xe2, 0x82])
    const running = await process(cut, Buffer.alloc(0), { status: 'running' })
    const page = await running.processes.read({ ...SPEC, since: { stdout: 0, stderr: 0 } })
    expect([page.stdout.data.toString(), page.next.stdout]).toEqual(['a', 1])
    const ended = await process(cut)
    expect((await ended.processes.read({ ...SPEC, since: { stdout: 0, stderr: 0 } })).next.stdout).toBe(3)
  })

  test('begins with a whole character when the bytes before are gone', async () => {
    const { supervisor, processes } = await start()
    supervisor.answer = (frame) =>
      reply.output(frame.channel, { totalStdout: 1010 }, { first: 1000, data: Buffer.from('€abcdefg').subarray(1) })
    const page = await processes.read({ ...SPEC, since: { stdout: 10, stderr: 0 } })
    expect(page.stdout).toMatchObject({ first: 1002, skippedBytes: 992 })
    expect(page.stdout.data.toString()).toBe('abcdefg')
  })

  test('of one stream leaves the cursor of the other', async () => {
    const { processes } = await process(Buffer.from('out'), Buffer.from('err'))
    const streams = { stdout: true, stderr: false }
    expect((await processes.read({ ...SPEC, streams, since: { stdout: 1, stderr: 2 } })).next).toEqual({
      stdout: 3,
      stderr: 2,
    })
    expect((await processes.read({ ...SPEC, streams })).next).toEqual({ stdout: 3, stderr: 0 })
  })

  test('of an unknown process is not found', async () => {
    const { supervisor, processes } = await start()
    supervisor.answer = ({ channel }) => reply.error(channel, 'no_command')
    await expect(processes.read(SPEC)).rejects.toMatchObject({ code: 'not_found', message: 'No process abc-1.' })
  })
})

describe('waiting for a text', () => {
  const FROM_START = { stdout: 0, stderr: 0 }

  test('finds it in what is there already, across pages, and gives the page of the cursor', async () => {
    const { processes } = await process(Buffer.from(`${'x'.repeat(95)}server ready\n`))
    const page = await processes.read({ ...SPEC, since: FROM_START, until: parseCondition('server ready') })
    expect(page.reached).toBe(true)
    expect(page.stdout.first).toBe(0)
    expect(page.stdout.data).toHaveLength(100)
  })

  test('finds it in stderr', async () => {
    const { processes } = await process(Buffer.from('x'), Buffer.from('Listening on 80'))
    expect((await processes.read({ ...SPEC, until: parseCondition('/listening on \\d+/i') })).reached).toBe(true)
  })

  test('finds a character and a colour that are cut between pages', async () => {
    const { processes } = await process(Buffer.from(`${'x'.repeat(99)}€ok \x1b[32mgreen\x1b[0m done`))
    expect(
      (await processes.read({ ...SPEC, since: FROM_START, until: parseCondition('€ok green done') })).reached,
    ).toBe(true)
    expect(
      (await processes.read({ ...SPEC, maxBytes: 107, since: FROM_START, until: parseCondition('ok green') })).reached,
    ).toBe(true)
  })

  test('ends without it when the process has ended', async () => {
    const { processes } = await process(Buffer.from('x'.repeat(1000)))
    expect((await processes.read({ ...SPEC, waitMs: 50_000, until: parseCondition('ready') })).reached).toBe(false)
  })

  test('ends though the stream that is not looked at holds more', async () => {
    const { processes } = await process(Buffer.from('out'), Buffer.from('err'))
    const spec = { ...SPEC, streams: { stdout: true, stderr: false }, until: parseCondition('ready') }
    expect((await processes.read(spec)).reached).toBe(false)
    expect((await processes.read({ ...spec, until: parseCondition('err') })).reached).toBe(false)
  })

  test('ends though a hostile supervisor counts output that it never gives', async () => {
    const { supervisor, processes } = await start()
    supervisor.answer = (frame) =>
      frame.type === FrameType.output ? reply.output(frame.channel, { totalStdout: 1000 }, { data: '' }) : undefined
    expect((await processes.read({ ...SPEC, until: parseCondition('ready') })).reached).toBe(false)
  })

  test('ends at its time though output comes faster than it is read', async () => {
    const { supervisor, processes } = await start()
    let total = 1000
    supervisor.answer = (frame) => {
      if (frame.type !== FrameType.output) return undefined
      const { sinceStdout } = outputFields(frame)
      total += 200
      return reply.output(
        frame.channel,
        { status: 'running', totalStdout: total },
        { first: sinceStdout, data: 'x'.repeat(100) },
      )
    }
    const page = await processes.read({ ...SPEC, since: FROM_START, until: parseCondition('ready') })
    expect(page.reached).toBe(false)
  })

  test('waits in the supervisor, for no longer than it may', async () => {
    const { supervisor, processes } = await start()
    const reading = processes.read({ ...SPEC, waitMs: 20_000, until: parseCondition('ready') })
    const first = await supervisor.next(FrameType.output)
    const { waitMs } = outputFields(first)
    expect(waitMs).toBeGreaterThan(19_000)
    expect(waitMs).toBeLessThanOrEqual(20_000)
    void supervisor.send(reply.output(first.channel, { status: 'running', totalStdout: 5 }, { data: 'ready' }))
    const last = await supervisor.next(FrameType.output)
    expect(outputFields(last)).toMatchObject({ flags: 7, waitMs: 0 })
    void supervisor.send(reply.output(last.channel, { status: 'running', totalStdout: 5 }, { data: 'ready' }))
    expect(await reading).toMatchObject({ reached: true, state: { status: 'running' } })
  })
})

describe('waiting for a port', () => {
  const LISTENER = '   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n'

  async function withTables(tables: Record<string, string | undefined>, summary: SummaryValues) {
    const started = await start()
    started.supervisor.answer = (frame) => {
      if (frame.type === FrameType.output) return reply.output(frame.channel, summary, {})
      if (frame.type !== FrameType.read) return undefined
      const table = tables[fieldsOf(frame).text()]
      return table === undefined
        ? reply.error(frame.channel, 'not_found', 2)
        : reply.readEnd(frame.channel, Buffer.from(table))
    }
    return started
  }

  const spec = { ...SPEC, until: parseCondition('port:8080') }

  test.each(['/proc/net/tcp', '/proc/net/tcp6'])('finds a listener in %s', async (path) => {
    const tables = { '/proc/net/tcp': '', '/proc/net/tcp6': '', [path]: LISTENER }
    const { processes } = await withTables(tables, { status: 'running' })
    expect((await processes.read(spec)).reached).toBe(true)
  })

  test('works where the kernel has no IPv6', async () => {
    const { processes } = await withTables({ '/proc/net/tcp': LISTENER }, { status: 'running' })
    expect((await processes.read(spec)).reached).toBe(true)
  })

  test('looks again until something listens', async () => {
    const tables: Record<string, string> = { '/proc/net/tcp': '' }
    const { supervisor, processes } = await withTables(tables, { status: 'running' })
    const reading = processes.read({ ...spec, waitMs: 20_000 })
    await supervisor.next(FrameType.output)
    tables['/proc/net/tcp'] = LISTENER
    expect((await reading).reached).toBe(true)
  })

  test('ends when the process and all that it started have ended', async () => {
    const { processes } = await withTables({ '/proc/net/tcp': '' }, { status: 'exited' })
    expect((await processes.read({ ...spec, waitMs: 20_000 })).reached).toBe(false)
  })

  test('goes on while the process has left something running', async () => {
    const tables: Record<string, string> = { '/proc/net/tcp': '' }
    const { supervisor, processes } = await withTables(tables, { status: 'exited', leftRunning: true })
    const reading = processes.read({ ...spec, waitMs: 20_000 })
    await supervisor.next(FrameType.output)
    tables['/proc/net/tcp'] = LISTENER
    expect((await reading).reached).toBe(true)
  })

  test('can be aborted', async () => {
    const { supervisor, processes } = await withTables({ '/proc/net/tcp': '' }, { status: 'running' })
    const controller = new AbortController()
    const failure = failureOf(processes.read({ ...spec, waitMs: 20_000 }, controller.signal))
    await supervisor.next(FrameType.output)
    controller.abort()
    expect(await failure).toMatchObject({ name: 'AbortError' })
  })
})

describe('input and signals', () => {
  test('are sent, and the state is told', async () => {
    const { supervisor, processes } = await start()
    supervisor.answer = ({ type, channel }) => {
      if (type === FrameType.stdin || type === FrameType.signal) return reply.ok(channel, 5)
      return type === FrameType.wait ? reply.result(channel, { status: 'running', stdinOpen: true }) : undefined
    }
    expect(await processes.write('abc-1', 'hé', true)).toMatchObject({ status: 'running', stdinOpen: true })
    const input = fieldsOf(await supervisor.next(FrameType.stdin))
    expect([input.text(), input.u8(), input.bytes().toString()]).toEqual(['abc-1', 1, 'hé'])
    for (const [name, number, scope] of [
      ['int', 2, 0],
      ['hup', 1, 0],
      ['term', 15, 1],
      ['kill', 9, 1],
    ] as const) {
      await processes.signal('abc-1', name)
      const sent = fieldsOf(await supervisor.next(FrameType.signal))
      expect([sent.text(), sent.i32(), sent.u8()]).toEqual(['abc-1', number, scope])
    }
  })

  test('of more than the supervisor queues are refused here', async () => {
    const { supervisor, processes } = await start()
    const failure = await failureOf(processes.write('abc-1', 'x'.repeat(1024 * 1024 + 1), false))
    expect(failure).toMatchObject({ code: 'too_large' })
    expect(supervisor.count(FrameType.stdin)).toBe(0)
  })
})

test('processes are listed newest first', async () => {
  const { supervisor, processes } = await start()
  supervisor.answer = ({ channel }) =>
    reply.commands(channel, [
      { id: 'a-1', startedAtMs: 1, command: 'old' },
      { id: 'a-3', startedAtMs: 3, command: 'new' },
      { id: 'a-2', startedAtMs: 2, command: 'middle' },
    ])
  expect((await processes.list()).map(({ command }) => command)).toEqual(['new', 'middle', 'old'])
})

describe('a cursor', () => {
  test('comes back as it was', () => {
    const cursor = { stdout: 123_456_789_012, stderr: 0 }
    expect(parseCursor(formatCursor(cursor))).toEqual(cursor)
  })

  test.each(['', '1', '1:', ':1', '-1:0', '1:2:3', ' 1:2', '1.5:2', '1234567890123456:0'])('%j is none', (text) => {
    expect(() => parseCursor(text)).toThrow('not a cursor')
  })
})
