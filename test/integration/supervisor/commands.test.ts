import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SupervisorClient } from '../../../src/supervisor/client.ts'
import type { StartRequest } from '../../../src/supervisor/encode.ts'
import type { CommandResult } from '../../../src/supervisor/protocol.ts'
import { failureOf } from '../../helpers/failure.ts'
import { type LocalSupervisor, startLocalSupervisor } from '../../helpers/local-supervisor.ts'

let supervisor: LocalSupervisor
let client: SupervisorClient
beforeAll(async () => {
  supervisor = await startLocalSupervisor()
  client = await supervisor.connect()
})
afterAll(() => supervisor[Symbol.asyncDispose]())

const ENV = ['PATH=/usr/local/bin:/usr/bin:/bin', 'LANG=C.UTF-8']
const MIB = 1024 * 1024

function request(command: string | readonly string[], more: Partial<StartRequest> = {}): StartRequest {
  return {
    key: randomBytes(16),
    command,
    keepStdinOpen: false,
    private: false,
    timeoutMs: 30_000,
    graceMs: 200,
    waitMs: 30_000,
    head: 1000,
    tail: 4000,
    cwd: supervisor.workspace,
    env: ENV,
    stdin: new Uint8Array(0),
    ...more,
  }
}

const run = (command: string | readonly string[], more: Partial<StartRequest> = {}): Promise<CommandResult> =>
  client.start(request(command, more))

const background = (command: string | readonly string[], more: Partial<StartRequest> = {}) =>
  run(command, { waitMs: 0, ...more })

const wait = (id: string) => client.wait(id, { waitMs: 30_000, head: 1000, tail: 4000 })

/** Pids of the processes whose environment or command line holds the mark. */
function pidsWith(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        // A process may end while it is looked at; a zombie has an empty command line.
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(mark)
      } catch {
        return false
      }
    })
    .map(Number)
}

/** All output of one stream, page by page, until the command has ended and nothing is left. */
async function pageAll(id: string, stream: 'stdout' | 'stderr', maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let since = 0
  for (;;) {
    const output = await client.output(id, {
      stdout: stream === 'stdout',
      stderr: stream === 'stderr',
      fromEnd: false,
      sinceStdout: stream === 'stdout' ? since : 0,
      sinceStderr: stream === 'stderr' ? since : 0,
      maxBytes,
      waitMs: 10_000,
    })
    const page = output[stream]
    expect(page.first).toBe(since)
    pieces.push(page.data)
    since = page.next
    const total = stream === 'stdout' ? output.summary.totalStdout : output.summary.totalStderr
    if (output.summary.status !== 'running' && since === total) return Buffer.concat(pieces)
  }
}

describe('how a command ends', () => {
  test.each([
    ['exit 0', { status: 'exited', exitCode: 0, signal: undefined }],
    ['exit 1', { status: 'exited', exitCode: 1 }],
    ['exit 255', { status: 'exited', exitCode: 255 }],
    ['./not-executable', { status: 'exited', exitCode: 126 }],
    ['no-such-program-here', { status: 'exited', exitCode: 127 }],
    ['kill -KILL $$', { status: 'signaled', exitCode: undefined, signal: 9 }],
    ['kill -TERM $$', { status: 'signaled', exitCode: undefined, signal: 15 }],
    ['exit 137', { status: 'exited', exitCode: 137, signal: undefined }],
    ['sh -c "kill -TERM \\$\\$"; exit $?', { status: 'exited', exitCode: 143 }],
    ['kill -SEGV $$', { status: 'signaled', signal: 11 }],
  ] as const)('%s', async (command, summary) => {
    await writeFile(join(supervisor.workspace, 'not-executable'), 'x', { mode: 0o644 })
    expect((await run(command)).summary).toMatchObject(summary)
  })

  test('is told with what it took', async () => {
    const { summary } = await run('head -c 20000000 /dev/zero | sha256sum; sleep 0.05')
    expect(summary.durationUs).toBeGreaterThan(50_000)
    expect(summary.cpuUs).toBeGreaterThan(1000)
    expect(summary.maxRssBytes).toBeGreaterThan(100_000)
    expect(Math.abs(summary.startedAtMs - Date.now())).toBeLessThan(60_000)
    expect(summary.id).toMatch(/^[a-z0-9]{3}-\d+$/)
  })
})

describe('what cannot start is an error', () => {
  test.each([
    ['a program that is not there', ['no-such-program-here'], {}, 'not_found'],
    ['a directory as a program', ['/tmp'], {}, 'permission'],
    ['a working directory that is not there', 'true', { cwd: '/no/such/dir' }, 'bad_cwd'],
    ['a file as a working directory', 'true', { cwd: '/etc/passwd' }, 'bad_cwd'],
    [
      'a variable larger than the kernel takes',
      ['true'],
      { env: [...ENV, `A=${'x'.repeat(200_000)}`] },
      'args_too_long',
    ],
  ] as const)('%s', async (_, command, more, code) => {
    await expect(run(command, more as Partial<StartRequest>)).rejects.toMatchObject({ code })
  })
})

describe('a command gets', () => {
  test('its own words, untouched', async () => {
    const words = ['a b', '', "'", '$HOME', 'é😀', '-n']
    const { stdout } = await run(['printf', '[%s]', ...words])
    expect(stdout.head.toString()).toBe(words.map((word) => `[${word}]`).join(''))
  })

  test('its own environment, and nothing of the supervisor', async () => {
    const { stdout, summary } = await run(['/usr/bin/env'], { env: ['A=1', 'B=x=y é'] })
    const lines = stdout.head.toString().trim().split('\n').sort()
    expect(lines).toEqual(['A=1', 'B=x=y é', `SANDBOX_COMMAND_ID=${summary.id}`])
  })

  test('its working directory', async () => {
    await mkdir(join(supervisor.workspace, 'sub dir'))
    const cwd = join(supervisor.workspace, 'sub dir')
    expect((await run(['/bin/pwd', '-P'], { cwd })).stdout.head.toString()).toBe(`${cwd}\n`)
  })

  test('its input, then the end of it', async () => {
    const stdin = randomBytes(500_000)
    const { stdout } = await run('sha256sum; wc -c', { stdin })
    expect(stdout.head.toString()).toMatch(/^[0-9a-f]{64}/)
    expect((await run('wc -c', { stdin })).stdout.head.toString().trim()).toBe('500000')
    expect((await run('wc -c')).stdout.head.toString().trim()).toBe('0')
  })

  test('a line of one mebibyte', async () => {
    const line = `: ${'x'.repeat(MIB - 20)}\necho done`
    expect((await run(line.slice(0, MIB))).stdout.head.toString()).toBe('done\n')
  })

  test('no descriptor but its three', async () => {
    const { stdout } = await run('ls /proc/self/fd | wc -l')
    // 0, 1, 2 and the one by which ls reads the directory.
    expect(stdout.head.toString().trim()).toBe('4')
  })

  test('a process group and session of its own, and default signals', async () => {
    // Read by the shell itself: while it starts a program it blocks signals.
    const readMasks = 'while IFS= read -r line; do case $line in Sig[BI]*) echo "$line";; esac; done < /proc/$$/status'
    const { stdout } = await run(['sh', '-c', `cut -d" " -f1,5,6 /proc/$$/stat; ${readMasks}`])
    const [ids, ...signals] = stdout.head.toString().trim().split('\n')
    const [pid, group, session] = (ids ?? '').split(' ')
    expect([group, session]).toEqual([pid, pid])
    expect(signals.map((each) => each.split('\t')[1])).toEqual(['0000000000000000', '0000000000000000'])
  })
})

describe('output', () => {
  test('within the budget is whole; beyond it the first and the last bytes', async () => {
    const whole = await run('seq 100', { head: 100, tail: 200 })
    expect(whole.stdout.head.length + whole.stdout.tail.length).toBe(292)
    const cut = await run('seq 1000; echo end >&2', { head: 10, tail: 9 })
    expect(cut.stdout.head.toString()).toBe('1\n2\n3\n4\n5\n')
    expect(cut.stdout.tail.toString()).toBe('999\n1000\n')
    expect(cut.stderr.head.toString()).toBe('end\n')
    expect(cut.summary).toMatchObject({ totalStdout: 3893, totalStderr: 4 })
  })

  test('by page is byte-equal to what was printed, while it is printed and afterwards', async () => {
    const expected = Buffer.from(Array.from({ length: 100_000 }, (_, index) => `${index + 1}\n`).join(''))
    const { summary } = await background('seq 100000')
    expect((await pageAll(summary.id, 'stdout', 33_333)).equals(expected)).toBe(true)
    expect((await pageAll(summary.id, 'stdout', MIB)).equals(expected)).toBe(true)
    const errors = await background('seq 100000 >&2')
    expect((await pageAll(errors.summary.id, 'stderr', 65_536)).equals(expected)).toBe(true)
  })

  test('of a flood is counted whole, kept at both ends, and spooled in a bounded ring', async () => {
    const { summary, stdout } = await run('head -c 200000000 /dev/zero | tr "\\0" x; echo end', { head: 100, tail: 5 })
    expect(summary).toMatchObject({ status: 'exited', exitCode: 0, totalStdout: 200_000_004, stdoutSpooled: true })
    expect(stdout.head.toString()).toBe('x'.repeat(100))
    expect(stdout.tail.toString()).toBe('xend\n')
    const spooled = readFileSync(join(supervisor.spool, `${summary.id}.log`))
    expect(spooled.length).toBeLessThanOrEqual(16 * MIB)
    const page = { stdout: true, stderr: false, fromEnd: false, sinceStderr: 0, maxBytes: 100, waitMs: 0 }
    const gone = await client.output(summary.id, { ...page, sinceStdout: 100_000_000 })
    expect(gone.stdout.first).toBe(200_000_004 - 8 * MIB)
    const kept = await client.output(summary.id, { ...page, sinceStdout: 8 * MIB - 100 })
    expect([kept.stdout.first, kept.stdout.data.length]).toEqual([8 * MIB - 100, 100])
    const last = await client.output(summary.id, { ...page, fromEnd: true, sinceStdout: 4 })
    expect(last.stdout.data.toString()).toBe('end\n')
  })

  test('of what a command left behind still comes, and the summary says so', async () => {
    const gate = join(supervisor.workspace, 'gate')
    const { summary } = await run(`(until [ -e '${gate}' ]; do sleep 0.02; done; echo late) & echo early`)
    expect(summary).toMatchObject({ status: 'exited', exitCode: 0, leftRunning: true })
    await writeFile(gate, '')
    const page = { stdout: true, stderr: false, fromEnd: false, sinceStderr: 0, maxBytes: 100, waitMs: 0 }
    await expect
      .poll(async () => (await client.output(summary.id, { ...page, sinceStdout: 0 })).stdout.data.toString())
      .toBe('early\nlate\n')
    await expect.poll(async () => (await wait(summary.id)).summary.leftRunning).toBe(false)
  })
})

describe('a command that takes too long', () => {
  test('is ended at its timeout, with its output so far', async () => {
    const { summary, stdout } = await run('echo before; sleep 1000', { timeoutMs: 200 })
    expect(summary).toMatchObject({ status: 'timed_out', exitCode: undefined })
    expect(stdout.head.toString()).toBe('before\n')
    expect(summary.durationUs).toBeGreaterThanOrEqual(200_000)
  })

  test.each([
    ['ignores SIGTERM', (mark: string) => `trap "" TERM; sleep ${mark}; sleep ${mark}`],
    [
      'starts a session of its own',
      (mark: string) => `setsid sleep ${mark} & setsid sh -c "sleep ${mark} & wait" & wait`,
    ],
    [
      'left its children to PID 1',
      (mark: string) => `(setsid sleep ${mark} &) ; (nohup sleep ${mark} &) ; sleep ${mark}`,
    ],
    [
      'cleared its environment',
      (mark: string) => `env -i /bin/sleep ${mark} & env -i setsid /bin/sleep ${mark} & wait`,
    ],
  ])('and %s leaves no process', async (_, script) => {
    const mark = `1${Math.floor(Math.random() * 1e9)}`
    const { summary } = await run(script(mark), { timeoutMs: 300 })
    expect(summary.status).toBe('timed_out')
    await expect.poll(() => pidsWith(mark), { timeout: 10_000 }).toEqual([])
  })

  test('answers after its wait, and is found by its id and by its key', async () => {
    const gate = join(supervisor.workspace, 'gate-of-wait')
    const started = request(`until [ -e '${gate}' ]; do sleep 0.02; done; echo done`, { waitMs: 20 })
    const first = await client.start(started)
    expect(first.summary).toMatchObject({ status: 'running', exitCode: undefined })
    await writeFile(gate, '')
    const [byId, byKey] = await Promise.all([
      wait(first.summary.id),
      client.wait(started.key, { waitMs: 30_000, head: 10, tail: 10 }),
    ])
    expect(byId.summary).toMatchObject({ status: 'exited', exitCode: 0 })
    expect(byKey.summary.id).toBe(first.summary.id)
    expect(byKey.stdout.head.toString()).toBe('done\n')
  })

  test('can be cancelled, with all that it started', async () => {
    const mark = `2${Math.floor(Math.random() * 1e9)}`
    const { summary } = await background(`setsid sleep ${mark} & sleep ${mark}`)
    await expect.poll(() => pidsWith(mark).length).toBeGreaterThanOrEqual(2)
    await client.cancel(summary.id, 200)
    expect((await wait(summary.id)).summary).toMatchObject({ status: 'cancelled' })
    await expect.poll(() => pidsWith(mark)).toEqual([])
  })
})

describe('a process in the background', () => {
  test('takes input until it is closed', async () => {
    const { summary } = await background('cat; echo closed', { keepStdinOpen: true })
    expect(summary.stdinOpen).toBe(true)
    await client.stdin(summary.id, Buffer.from('one\n'), false)
    await client.stdin(summary.id, Buffer.from('two\n'), true)
    expect((await wait(summary.id)).stdout.head.toString()).toBe('one\ntwo\nclosed\n')
    await expect(client.stdin(summary.id, Buffer.from('x'), false)).rejects.toMatchObject({ code: 'stdin_closed' })
  })

  test('that does not read has its input refused at one mebibyte', async () => {
    const { summary } = await background('exec sleep 1000', { keepStdinOpen: true })
    const piece = Buffer.alloc(256 * 1024)
    const failures: unknown[] = []
    for (let sent = 0; sent < 8; sent++) failures.push(await failureOf(client.stdin(summary.id, piece, false)))
    expect(failures.at(-1)).toMatchObject({ code: 'stdin_full' })
    await client.signal(summary.id, 9, true)
    expect((await wait(summary.id)).summary).toMatchObject({ status: 'signaled', signal: 9 })
  })

  test('gets signals', async () => {
    const { summary } = await background('trap "echo got term; exit 7" TERM; echo ready; while :; do sleep 0.02; done')
    await client.output(summary.id, {
      stdout: true,
      stderr: false,
      fromEnd: false,
      sinceStdout: 0,
      sinceStderr: 0,
      maxBytes: 100,
      waitMs: 10_000,
    })
    // Not SIGINT: bash leaves one to a program that it waits for, and forgets it when that program ends by itself.
    await client.signal(summary.id, 15, false)
    const { summary: ended, stdout } = await wait(summary.id)
    expect(ended).toMatchObject({ status: 'exited', exitCode: 7 })
    expect(stdout.head.toString()).toBe('ready\ngot term\n')
  })
})

describe('many at once', () => {
  test('two hundred commands, thirty-two at a time, each with its own output', async () => {
    let next = 0
    const worker = async () => {
      while (next < 200) {
        const number = next++
        const { summary, stdout } = await run(`echo ${number}; exit ${number % 256}`)
        expect([summary.exitCode, stdout.head.toString()]).toEqual([number % 256, `${number}\n`])
      }
    }
    await Promise.all(Array.from({ length: 32 }, worker))
    expect(client.connection.openChannels).toBe(0)
  })

  test('more than sixty-four are refused, and there is room again when some end', async () => {
    const own = await startLocalSupervisor()
    try {
      const other = await own.connect()
      const start = () => other.start(request('exec sleep 1000', { waitMs: 0, cwd: own.workspace }))
      const started = await Promise.all(Array.from({ length: 64 }, start))
      await expect(start()).rejects.toMatchObject({ code: 'too_many' })
      const [first] = started
      await other.signal(first?.summary.id ?? '', 9, true)
      await other.wait(first?.summary.id ?? '', { waitMs: 10_000, head: 0, tail: 0 })
      await expect(start()).resolves.toMatchObject({ summary: { status: 'running' } })
    } finally {
      await own[Symbol.asyncDispose]()
    }
  })

  test('a flood starves nobody', async () => {
    const { summary } = await background('exec cat /dev/zero')
    const started = performance.now()
    for (let count = 0; count < 20; count++) expect((await run('echo x')).summary.exitCode).toBe(0)
    expect(performance.now() - started).toBeLessThan(20_000)
    await client.signal(summary.id, 9, true)
    await wait(summary.id)
  })
})
