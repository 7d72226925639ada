import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StartRequest } from '../../../src/supervisor/encode.ts'
import { ConnectionHeld, ConnectionLost } from '../../../src/supervisor/errors.ts'
import { failureOf } from '../../helpers/failure.ts'
import { type LocalSupervisor, startLocalSupervisor } from '../../helpers/local-supervisor.ts'

let supervisor: LocalSupervisor
beforeAll(async () => {
  supervisor = await startLocalSupervisor()
})
afterAll(() => supervisor[Symbol.asyncDispose]())

function request(command: string, more: Partial<StartRequest> = {}): StartRequest {
  return {
    key: randomBytes(16),
    command,
    keepStdinOpen: false,
    private: false,
    timeoutMs: 60_000,
    graceMs: 200,
    waitMs: 30_000,
    head: 1000,
    tail: 4000,
    cwd: supervisor.workspace,
    env: ['PATH=/usr/local/bin:/usr/bin:/bin'],
    stdin: new Uint8Array(0),
    ...more,
  }
}

const BUDGET = { waitMs: 30_000, head: 1000, tail: 1000 }

/** Ends with "done" once the test lets it. */
function gated(name: string): { command: string; open: () => Promise<void> } {
  const gate = join(supervisor.workspace, name)
  return {
    command: `echo started; until [ -e '${gate}' ]; do sleep 0.02; done; echo done`,
    open: () => writeFile(gate, ''),
  }
}

describe('after the connection was cut in the middle of a command', () => {
  test('its START, repeated with the same key, finds it: nothing runs twice', async () => {
    const { command, open } = gated('gate-start')
    const runs = join(supervisor.workspace, 'runs')
    const start = request(`echo run >> '${runs}'; ${command}; cat '${runs}'`)
    const first = await supervisor.connect()
    const lost = failureOf(first.start(start))
    const second = await supervisor.connect()
    await expect.poll(async () => (await second.commands()).map((each) => each.status)).toContain('running')
    first.connection.close('cut by the test')
    expect(await lost).toBeInstanceOf(ConnectionLost)
    const again = second.start(start)
    await open()
    const { summary, stdout } = await again
    expect(summary).toMatchObject({ status: 'exited', exitCode: 0 })
    expect(stdout.head.toString()).toBe('started\ndone\nrun\n')
  })

  test('a WAIT by its key finds it, and one by another key does not', async () => {
    const { command, open } = gated('gate-wait')
    const start = request(command, { waitMs: 0 })
    const first = await supervisor.connect()
    const { summary } = await first.start(start)
    first.connection.close('cut by the test')
    const second = await supervisor.connect()
    const waiting = second.wait(start.key, BUDGET)
    await open()
    expect((await waiting).summary).toMatchObject({ id: summary.id, status: 'exited' })
    await expect(second.wait(randomBytes(16), BUDGET)).rejects.toMatchObject({ code: 'no_command' })
    await expect(second.wait('zzz-1', BUDGET)).rejects.toMatchObject({ code: 'no_command' })
  })

  test('it is in the list with its command line, and its input can be written', async () => {
    const first = await supervisor.connect()
    const { summary } = await first.start(request('cat', { waitMs: 0, keepStdinOpen: true }))
    first.connection.close('cut by the test')
    const second = await supervisor.connect()
    expect(await second.commands()).toContainEqual(
      expect.objectContaining({ id: summary.id, status: 'running', stdinOpen: true, command: 'cat' }),
    )
    await second.stdin(summary.id, Buffer.from('kept'), true)
    expect((await second.wait(summary.id, BUDGET)).stdout.head.toString()).toBe('kept')
  })
})

test('several servers see the same commands', async () => {
  const clients = await Promise.all(Array.from({ length: 5 }, () => supervisor.connect()))
  const [first] = clients
  const { summary } = (await first?.start(request('echo shared'))) ?? {}
  const seen = await Promise.all(clients.map((client) => client.wait(summary?.id ?? '', BUDGET)))
  for (const { stdout } of seen) expect(stdout.head.toString()).toBe('shared\n')
  expect(new Set(clients.map(({ connection }) => connection.hello.bootId.toString('hex'))).size).toBe(1)
  for (const client of clients) client.connection.close()
})

test('another boot has another boot id and none of the commands', async () => {
  const client = await supervisor.connect()
  const { summary } = await client.start(request('true'))
  const other = await startLocalSupervisor()
  try {
    const stranger = await other.connect()
    expect(stranger.connection.hello.bootId.equals(client.connection.hello.bootId)).toBe(false)
    await expect(stranger.wait(summary.id, BUDGET)).rejects.toMatchObject({ code: 'no_command' })
  } finally {
    await other[Symbol.asyncDispose]()
  }
})

test('of many that have ended the newest sixty-four are remembered', async () => {
  await using own = await startLocalSupervisor()
  const client = await own.connect()
  const ids: string[] = []
  for (let count = 0; count < 70; count++)
    ids.push((await client.start(request('echo x', { cwd: own.workspace }))).summary.id)
  const remembered = (await client.commands()).map(({ id }) => id)
  expect(remembered.sort()).toEqual(ids.slice(-64).sort())
  await expect(client.wait(ids[0] ?? '', BUDGET)).rejects.toMatchObject({ code: 'no_command' })
})

describe("a private command, the server's own", () => {
  test('is in no list, and pushes none of the user out of memory', async () => {
    await using own = await startLocalSupervisor()
    const client = await own.connect()
    const { summary } = await client.start(request('echo kept', { cwd: own.workspace }))
    for (let count = 0; count < 70; count++) {
      const run = await client.start(request('echo mine', { private: true, cwd: own.workspace }))
      expect(run.stdout.head.toString()).toBe('mine\n')
    }
    expect((await client.commands()).map(({ id }) => id)).toEqual([summary.id])
    expect(await client.info()).toMatchObject({ running: 0, retained: 1 })
    expect((await client.wait(summary.id, BUDGET)).stdout.head.toString()).toBe('kept\n')
  })

  test('is in no list while it runs, and keeps the sandbox in use', async () => {
    await using own = await startLocalSupervisor()
    const client = await own.connect()
    const start = request('exec sleep 1000', { private: true, waitMs: 0, cwd: own.workspace })
    await client.start(start)
    expect(await client.commands()).toEqual([])
    expect(await client.info()).toMatchObject({ running: 0, idleMs: 0 })
    expect(await client.quiesce(0, 10_000)).toMatchObject({ ok: false })
    await client.cancel(start.key, 0)
    expect((await client.wait(start.key, BUDGET)).summary.status).toBe('cancelled')
  })

  test('is found by its key over another connection, running or ended: a repeated START runs nothing twice', async () => {
    const runs = join(supervisor.workspace, 'private-runs')
    const { command, open } = gated('gate-private')
    const start = request(`echo run >> '${runs}'; ${command}; cat '${runs}'`, { private: true })
    const first = await supervisor.connect()
    const lost = failureOf(first.start(start))
    const second = await supervisor.connect()
    await expect
      .poll(async () => (await second.wait(start.key, { ...BUDGET, waitMs: 0 })).summary.status)
      .toBe('running')
    first.connection.close('cut by the test')
    expect(await lost).toBeInstanceOf(ConnectionLost)
    const again = second.start(start)
    await open()
    expect((await again).stdout.head.toString()).toBe('started\ndone\nrun\n')
    second.connection.close('cut by the test')
    const third = await supervisor.connect()
    expect((await third.start(start)).stdout.head.toString()).toBe('started\ndone\nrun\n')
  })
})

describe('an eviction', () => {
  test('is held off while a command runs, and while there was use a moment ago', async () => {
    await using own = await startLocalSupervisor()
    const client = await own.connect()
    const { summary } = await client.start(request('exec sleep 1000', { waitMs: 0, cwd: own.workspace }))
    expect(await client.quiesce(0, 10_000)).toMatchObject({ ok: false, idleMs: 0, running: 1 })
    await client.signal(summary.id, 9, true)
    await client.wait(summary.id, BUDGET)
    expect(await client.quiesce(60_000, 10_000)).toMatchObject({ ok: false, running: 0 })
  })

  test('once granted refuses all use over every connection, but not the questions about it, until it is let go', async () => {
    await using own = await startLocalSupervisor()
    const [evicting, other] = [await own.connect(), await own.connect()]
    expect(await evicting.quiesce(0, 60_000)).toMatchObject({ ok: true, running: 0 })
    const refused = { code: 'quiescing' }
    await expect(other.start(request('true', { cwd: own.workspace }))).rejects.toMatchObject(refused)
    await expect(other.stat('/', true)).rejects.toMatchObject(refused)
    await expect(other.write(join(own.workspace, 'x'), Buffer.from('x'), { mode: 'overwrite' })).rejects.toMatchObject(
      refused,
    )
    await other.ping()
    expect(await other.info()).toMatchObject({ running: 0, connections: 2 })
    expect(await other.commands()).toEqual([])
    await evicting.quiesce(0, 0)
    await expect(other.stat('/', true)).resolves.toMatchObject({ type: 'directory' })
  })

  test('belongs to who got it: no other connection gets one meanwhile, or ends it', async () => {
    await using own = await startLocalSupervisor()
    const [evicting, other] = [await own.connect(), await own.connect()]
    expect(await evicting.quiesce(0, 60_000)).toMatchObject({ ok: true })
    expect(await other.quiesce(0, 60_000)).toMatchObject({ ok: false })
    await other.quiesce(0, 0)
    await expect(other.stat('/', true)).rejects.toMatchObject({ code: 'quiescing' })
    expect(await evicting.quiesce(0, 60_000)).toMatchObject({ ok: true })
    await evicting.quiesce(0, 0)
    expect(await other.quiesce(0, 60_000)).toMatchObject({ ok: true })
  })

  test('tells the other hosts, so that one whose stream ends knows that what was not answered was not begun', async () => {
    await using own = await startLocalSupervisor()
    const [evicting, other] = [await own.connect(), await own.connect()]
    await evicting.quiesce(0, 60_000)
    // A host that comes while it lasts is told, too.
    const late = await own.connect()
    await late.ping()
    own.process.kill('SIGSTOP')
    const marker = join(own.workspace, 'begun')
    const asked = [other, late].map((client) => failureOf(client.start(request(`touch ${marker}`, { cwd: '/' }))))
    own.process.kill('SIGKILL')
    for (const error of await Promise.all(asked)) expect(error).toBeInstanceOf(ConnectionHeld)
    expect(existsSync(marker)).toBe(false)
  })

  test('tells them when it is let go, or has run out: what is not answered then may have been begun', async () => {
    await using own = await startLocalSupervisor()
    const [evicting, other] = [await own.connect(), await own.connect()]
    await evicting.quiesce(0, 60_000)
    await evicting.quiesce(0, 0)
    await other.stat('/', true)
    const late = await own.connect()
    await late.quiesce(0, 100)
    await expect(other.stat('/', true)).rejects.toMatchObject({ code: 'quiescing' })
    await expect.poll(() => failureOf(other.stat('/', true))).toMatchObject({ message: 'it did not fail' })
    own.process.kill('SIGSTOP')
    const asked = failureOf(other.start(request('true', { cwd: '/' })))
    own.process.kill('SIGKILL')
    const error = await asked
    expect(error).toBeInstanceOf(ConnectionLost)
    expect(error).not.toBeInstanceOf(ConnectionHeld)
  })

  test('that has run out begins nothing for a host that does not know of it yet', async () => {
    await using own = await startLocalSupervisor()
    const [evicting, other] = [await own.connect(), await own.connect()]
    await evicting.quiesce(0, 100)
    await expect.poll(() => failureOf(evicting.stat('/', true))).toMatchObject({ message: 'it did not fail' })
    // Its refusal follows the word that the hold is over.
    await expect(other.stat('/', true)).rejects.toMatchObject({ code: 'quiescing' })
    await other.stat('/', true)
  })

  test('ends its hold by itself', async () => {
    await using own = await startLocalSupervisor()
    const client = await own.connect()
    expect(await client.quiesce(0, 200)).toMatchObject({ ok: true })
    await expect.poll(() => failureOf(client.stat('/', true))).toMatchObject({ message: 'it did not fail' })
  })
})

describe('a command that tampers with the spool', () => {
  const FLOOD = 'head -c 300000 /dev/zero | tr "\\0" x'
  const page = {
    stdout: true,
    stderr: false,
    fromEnd: false,
    sinceStdout: 0,
    sinceStderr: 0,
    maxBytes: 1000,
    waitMs: 0,
  }

  test('by removing its log still has its output kept', async () => {
    const client = await supervisor.connect()
    const { command, open } = gated('gate-spool-1')
    const { summary } = await client.start(request(`${FLOOD}; ${command}`, { waitMs: 0 }))
    await expect
      .poll(async () => (await client.wait(summary.id, { ...BUDGET, waitMs: 0 })).summary.totalStdout)
      .toBe(300_008)
    await rm(join(supervisor.spool, `${summary.id}.log`))
    await open()
    const { summary: ended, stdout } = await client.wait(summary.id, BUDGET)
    expect(ended).toMatchObject({ exitCode: 0, totalStdout: 300_013 })
    expect(stdout.tail.toString()).toMatch(/xstarted\ndone\n$/)
  })

  test('by cutting its log short harms only its own output', async () => {
    const client = await supervisor.connect()
    const { summary } = await client.start(request(FLOOD))
    await truncate(join(supervisor.spool, `${summary.id}.log`), 0)
    const outcome = await client.output(summary.id, page).then(
      ({ stdout }) => stdout.data.length,
      (error: { code: string }) => error.code,
    )
    expect([0, 'expired']).toContain(outcome)
    expect((await client.start(request('echo fine'))).stdout.head.toString()).toBe('fine\n')
  })

  test('by links that wait for the next log does not make it written elsewhere', async () => {
    const client = await supervisor.connect()
    const target = join(supervisor.workspace, 'precious')
    await writeFile(target, 'precious')
    const { summary } = await client.start(request('true'))
    const [prefix, number] = summary.id.split('-')
    for (let next = 1; next <= 3; next++)
      await symlink(target, join(supervisor.spool, `${prefix}-${Number(number) + next}.log`))
    const flood = await client.start(request(FLOOD))
    expect(flood.summary).toMatchObject({ exitCode: 0, totalStdout: 300_000 })
    const { stdout } = await client.output(flood.summary.id, page)
    expect(stdout.data.toString()).toBe('x'.repeat(1000))
    expect((await client.start(request(`cat '${target}'`))).stdout.head.toString()).toBe('precious')
  })
})
