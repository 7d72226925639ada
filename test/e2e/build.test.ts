import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { BuiltRuntime, FailedRuntime } from '../../src/operator/build.ts'
import { useInstallation } from '../helpers/installation.ts'
import { useOwnRuntimes } from '../helpers/own-runtimes.ts'
import { hostEnvironment, ROOT } from '../helpers/start-server.ts'

const installation = useInstallation()
const runtimes = useOwnRuntimes(installation)

/** For an engine with other work. */
const SOON = { timeout: 60_000 }

/** `sandbox-mcp build` as a process of its own. */
function startBuild(...args: readonly string[]) {
  const words = ['dist/cli.js', 'build', ...args, '--runtimes-dir', runtimes.directory, '--build-network', 'host']
  const child = spawn(process.execPath, words, { cwd: ROOT, env: hostEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  const ended = output.then(([stdout, stderr, [code, signal]]) => ({
    stdout,
    stderr,
    code: code as number,
    signal: signal as string,
  }))
  return { child, ended }
}

/** Resolves once the process has printed this on its standard output. */
function printed(child: ChildProcess, what: string): Promise<void> {
  let seen = ''
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (data: Buffer) => {
      seen += data.toString()
      if (seen.includes(what)) resolve()
    })
    child.once('exit', () => reject(new Error(`it ended without ${JSON.stringify(what)}: ${seen}`)))
  })
}

describe('two processes that build the same runtime at once', () => {
  /** Requests of the step; each waits for the test. */
  const waiting: ServerResponse[] = []
  const server = createServer((_, response) => void waiting.push(response))
  let step: string
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => server.close())
  beforeEach(() => {
    // Another text in each test, so that no step comes from the cache.
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${randomBytes(6).toString('hex')}`
    step = `python3 -c "import urllib.request; print(urllib.request.urlopen('${url}').read())"`
  })
  afterEach(() => {
    for (const response of waiting.splice(0)) response.end()
  })

  test('run each step once, and have one image', async () => {
    const name = runtimes.define({ setup_commands: [step] })
    const [one, other] = [startBuild(name), startBuild(name)]
    // The engine builds for both; of a step that runs for another it tells nothing before its end.
    await Promise.all([printed(one.child, 'step 1 of'), printed(other.child, 'step 1 of')])
    await expect.poll(() => waiting.length, SOON).toBe(1)
    waiting[0]?.end('go on')
    const ends = await Promise.all([one.ended, other.ended])
    expect(ends.map(({ code }) => code)).toEqual([0, 0])
    expect(waiting).toHaveLength(1)
    const images = await installation.engine.images.list({ 'sandbox-mcp.runtime': name })
    expect(images).toEqual([expect.objectContaining({ tags: [expect.stringContaining(`sandbox-mcp/${name}:`)] })])
  })

  test('need not both live: the step that one began is ended for the other', async () => {
    const name = runtimes.define({ setup_commands: [step] })
    const first = startBuild(name)
    await expect.poll(() => waiting.length, SOON).toBe(1)
    const second = startBuild(name)
    await printed(second.child, 'step 1 of')
    first.child.kill('SIGKILL')
    expect((await first.ended).signal).toBe('SIGKILL')
    waiting[0]?.end('go on')
    const { code, stdout } = await second.ended
    expect(code).toBe(0)
    expect(stdout).toContain('built in')
    expect(waiting).toHaveLength(1)
  })
})

describe('with --json', () => {
  test('a runtime that fails is told with its code and step, the others as built; the exit code is that of its kind', async () => {
    const bad = runtimes.define({ setup_commands: ['echo the-reason >&2; exit 3'] })
    const good = runtimes.define({})
    const { code, stdout, stderr } = await startBuild(bad, good, '--json').ended
    // EX_UNAVAILABLE of sysexits.h
    expect(code).toBe(69)
    const [failed, built] = JSON.parse(stdout) as [FailedRuntime, BuiltRuntime]
    expect(failed).toMatchObject({ name: bad, built: false, error: { code: 'image_unavailable' } })
    expect(failed.error.step).toMatch(/^step \d+\/\d+ \(run echo the-reason/)
    expect(failed.error.log).toContain('the-reason\n')
    expect(built).toMatchObject({ name: good, built: true, tag: expect.stringContaining(good) })
    expect(stderr).toMatch(
      new RegExp(`^image_unavailable: The runtime "${bad}" could not be built: step .* failed\\.\n`),
    )
  })
})
