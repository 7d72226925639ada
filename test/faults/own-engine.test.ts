import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDockerEngine } from '../../src/engine/docker/docker-engine.ts'
import { testAddress } from '../helpers/docker.ts'
import { requireBaseImage } from '../helpers/images.ts'
import { noOwnEngine, type OwnEngine, type OwnEngineOptions, startOwnEngine } from '../helpers/own-engine.ts'
import { midCommand, startInBackground } from '../helpers/processes.ts'
import { run } from '../helpers/run-cli.ts'
import { startServer, type TestServer } from '../helpers/start-server.ts'

/** An engine that is stopped, killed, stunned and filled up, with a server before it. Never the machine's own. */
const hindrance = await noOwnEngine()
const GIB = 1024 ** 3
/** A hung engine is told by then: for a new sandbox by the deadline of one call, for one that runs by its silence, which says as much. */
const HUNG_MS = 20_000

/** The image of the default runtime, as the machine's engine has it: nothing is built here. */
async function runtimeImage(): Promise<string> {
  const engine = createDockerEngine({ address: testAddress() })
  try {
    await requireBaseImage(engine)
  } finally {
    await engine.close()
  }
  const { stdout, code } = await run(['build', 'python-minimal'])
  const tag = /sandbox-mcp\/python-minimal:\w+/.exec(stdout)?.[0]
  if (tag === undefined) throw new Error(`no image of the runtime (${code}): ${stdout}`)
  return tag
}

/** An engine with the runtime's image for one `describe`. */
function useOwnEngine(options: OwnEngineOptions = {}): () => OwnEngine {
  let own: OwnEngine | undefined
  beforeAll(async () => {
    own = await startOwnEngine(options)
    await own.load(await runtimeImage())
    await own.load('sandbox-mcp/base:bookworm')
  })
  afterAll(() => own?.[Symbol.asyncDispose]())
  return () => {
    if (!own) throw new Error('the engine runs in tests only')
    return own
  }
}

/** A server of a user that no other test has. */
const serverOf = ({ socketPath }: OwnEngine): Promise<TestServer> =>
  startServer({
    user: randomBytes(4).toString('hex'),
    installation: 'faults',
    env: { DOCKER_HOST: `unix://${socketPath}` },
  })

/** Removes all containers; what they were is gone with them, also for the kernel. */
async function expectNoRemains(own: OwnEngine): Promise<void> {
  for (const { id } of await own.engine.containers.list({})) await own.engine.containers.remove(id)
  await expect.poll(() => own.remains(), { timeout: 20_000 }).toEqual([])
}

/** The next answer that is no error, as a caller that is told to try again gets it. Fails after `ms`. */
async function nextAnswer(server: TestServer, command: string, ms: number): Promise<string> {
  await expect
    .poll(async () => (await server.call('shell_exec', { command: 'true' })).isError, { timeout: ms, interval: 100 })
    .toBe(false)
  return await server.output(command)
}

describe.skipIf(hindrance)('an engine of the test’s own', () => {
  const own = useOwnEngine()
  // FD02
  test('that hangs fails each call with a typed error, without a pile-up, and serves again when it goes on', async () => {
    await using server = await serverOf(own())
    await server.output('echo kept > file')
    await using other = await serverOf(own())
    own().hang()
    try {
      const timed = async (answer: Promise<string>) => {
        const since = performance.now()
        return { text: await answer, ms: performance.now() - since }
      }
      const refusals = [
        // The stream into a sandbox goes through the engine, so what runs has to be found silent first.
        timed(server.refusal('shell_exec', { command: 'echo ran >> runs' })),
        ...Array.from({ length: 8 }, () => timed(other.refusal('shell_exec', { command: 'true' }))),
      ]
      const [warm, ...cold] = await Promise.all(refusals)
      expect(warm?.text).toMatch(/^(sandbox_stopped|engine_unreachable): /)
      expect(warm?.ms).toBeLessThan(HUNG_MS)
      for (const { text, ms } of cold) {
        expect(text).toMatch(/^engine_unreachable: /)
        expect(ms).toBeLessThan(HUNG_MS)
      }
      own().resume()
      expect(await nextAnswer(other, 'echo served', 10_000)).toBe('served')
      expect(await nextAnswer(server, 'cat file', 10_000)).toBe('kept')
      // It may have run, once, which is what the caller was told.
      expect(await server.output('cat runs 2>/dev/null | wc -l')).toMatch(/^[01]$/)
    } finally {
      own().resume()
    }
    await expectNoRemains(own())
  })

  // FD03
  test.each([
    ['is restarted', (engine: OwnEngine) => engine.stop()],
    ['crashes', (engine: OwnEngine) => engine.crash()],
  ])('that %s in the middle of a command: never a success, and the next call has the files', async (_name, end) => {
    await using server = await serverOf(own())
    await server.output('echo kept > file')
    const { answer } = await midCommand(server, 'sleep 3600')
    await end(own())
    await own().start({ liveRestore: false })
    const { isError, text, structured } = await answer
    // An orderly stop lets the supervisor say how the command ended; otherwise nobody knows.
    expect(isError ? text : structured.status).toMatch(/^(sandbox_stopped: |signaled$)/)
    const back = performance.now()
    expect(await nextAnswer(server, 'cat file', 10_000)).toBe('kept')
    expect(performance.now() - back).toBeLessThan(10_000)
    expect(await own().engine.containers.list({})).toHaveLength(1)
    await expectNoRemains(own())
  })

  // FD04
  test.each([
    ['is restarted', (engine: OwnEngine) => engine.stop()],
    ['crashes', (engine: OwnEngine) => engine.crash()],
  ])('with live-restore that %s in the middle of a command costs the command nothing', async (_name, end) => {
    await own().stop()
    await own().start({ liveRestore: true })
    await using server = await serverOf(own())
    await server.output('mkfifo gate; echo kept > file')
    const id = await startInBackground(server, 'cat')
    const [before] = await own().engine.containers.list({})
    const answer = server.call('shell_exec', { command: 'echo once >> runs; cat gate; cat runs' })
    await expect.poll(async () => (await server.exec('cat runs')).stdout).toBe('once\n')
    await end(own())
    await own().start()
    // The stream is opened again, and the command is found by its key; or its caller is told that nobody knows.
    expect(await nextAnswer(server, 'echo open > gate; cat file', 15_000)).toBe('kept')
    const { isError, text, structured } = await answer
    const told = isError ? text : `exited ${structured.exit_code} with ${structured.stdout}`
    expect(told).toMatch(/^(sandbox_stopped: |exited 0 with open\nonce\n$)/)
    expect(await server.output('cat runs')).toBe('once')
    const [after] = await own().engine.containers.list({})
    expect(after?.id).toBe(before?.id)
    await server.call('process_write', { process_id: id, input: 'still here\n' })
    const { structured: page } = await server.call('process_read', { process_id: id, until: 'still here', wait_s: 20 })
    expect(page.until_met).toBe(true)
    await expectNoRemains(own())
  })
})

// FD15, RX16
describe.skipIf(hindrance)('an engine whose disk is full', () => {
  const own = useOwnEngine({ diskBytes: 1.5 * GIB })

  test('refuses new sandboxes and writes as such, keeps every file, and serves again when there is room', async () => {
    await using server = await serverOf(own())
    await server.output('echo kept > file; head -c 1000000 /dev/zero > old')
    await own().fillDisk()
    const content = 'n'.repeat(1_000_000)
    expect(await server.refusal('write_file', { path: 'old', content })).toMatch(/^disk_full: /)
    expect(await server.output('cat file; tr -d "\\0" < old | wc -c; wc -c < old')).toBe('kept\n0\n1000000')

    await using other = await serverOf(own())
    const first = await other.refusal('shell_exec', { command: 'true' })
    expect(first).toMatch(/^disk_full: /)
    expect(await other.refusal('shell_exec', { command: 'true' })).toMatch(/^disk_full: /)

    await own().freeDisk()
    expect(await nextAnswer(other, 'echo room', 15_000)).toBe('room')
    expect((await server.call('write_file', { path: 'old', content })).isError).toBe(false)
    expect(await own().engine.containers.list({})).toHaveLength(2)
  })
})
