import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { failureOf } from '../helpers/failure.ts'
import { startHttpServer } from '../helpers/start-http-server.ts'
import { useInstallation } from '../helpers/installation.ts'
import { hostEnvironment, ROOT, TestServer } from '../helpers/start-server.ts'
import { bearer } from '../helpers/who-am-i.ts'

const installation = useInstallation()
let folder: string
let tokensFile: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'http-front-'))
  tokensFile = join(folder, 'tokens.json')
})
afterAll(() => rm(folder, { recursive: true }))

const start = (settings: Readonly<Record<string, string>> = { auth: 'tokens' }) =>
  startHttpServer({ installation: installation.name, env: { SANDBOX_TOKENS_FILE: tokensFile }, settings })

/** Runs `sandbox-mcp token …` and gives what it prints as JSON. */
function tokenCommand(...words: readonly string[]): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const env = { ...hostEnvironment(), SANDBOX_TOKENS_FILE: tokensFile }
    execFile(process.execPath, ['dist/cli.js', 'token', ...words, '--json'], { cwd: ROOT, env }, (error, stdout) =>
      error ? reject(error) : resolve(JSON.parse(stdout) as Record<string, string>),
    )
  })
}

async function statusOf(
  address: URL,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<number> {
  const answer = await fetch(new URL(path, address), { method, headers })
  await answer.text()
  return answer.status
}

/** A path that is nowhere: 401 for strangers, 404 for those who are let in. */
const NOWHERE = '/nowhere'

describe('a server over HTTP', () => {
  test('tells where it listens in one line of its log, and leaves stdout alone', async () => {
    const server = await start({})
    const { address } = server
    expect(server.log.filter((line) => line['address'] !== undefined)).toMatchObject([
      { level: 30, msg: `listening on ${address.origin}`, auth: 'none' },
    ])
    expect(await statusOf(address, NOWHERE)).toBe(404)
    await server[Symbol.asyncDispose]()
    expect(server.stdout).toBe('')
  })

  // TS06
  test('is reached over loopback alone', async () => {
    await using server = await start({})
    expect(server.address.hostname).toBe('127.0.0.1')
    const others = Object.values(networkInterfaces()).flatMap((addresses) =>
      (addresses ?? []).filter(({ internal, family }) => !internal && family === 'IPv4'),
    )
    for (const { address } of others) {
      const socket = connect(Number(server.address.port), address)
      expect(await failureOf(once(socket, 'connect'))).toMatchObject({ code: 'ECONNREFUSED' })
    }
  })

  test('ends on SIGTERM with 0, and its port is free', async () => {
    const server = await start({})
    const { address } = server
    // A connection that waits for its next request does not keep it.
    expect(await statusOf(address, NOWHERE)).toBe(404)
    await server.kill('SIGTERM')
    expect(await server.exited).toEqual({ code: 0, signal: null })
    expect(server.log.at(-1)).toMatchObject({ msg: 'stopping', by: 'SIGTERM' })
    expect(await failureOf(fetch(address))).toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  })
})

// TS06
test.each([['0.0.0.0'], ['::']])('on %s it does not start without authentication', async (host) => {
  const server = new TestServer({ args: ['serve', '--transport', 'http', '--port', '0', '--host', host] })
  expect(await server.exited).toEqual({ code: 78, signal: null })
  expect(server.stderr).toMatch(/^config_invalid: --auth none would let everybody .*\n.*--insecure/)
})

describe('tokens', () => {
  test('that are added and revoked by other processes hold at once, also when many are added together', async () => {
    await using server = await start()
    const users = Array.from({ length: 6 }, (_, at) => `user-${at}`)
    const added = await Promise.all(users.map((user) => tokenCommand('add', user)))
    for (const { token = '' } of added) {
      await expect.poll(() => statusOf(server.address, NOWHERE, bearer(token)), { timeout: 10_000 }).toBe(404)
    }
    const [gone, kept] = added
    await tokenCommand('revoke', gone?.['id'] ?? '')
    await expect
      .poll(() => statusOf(server.address, NOWHERE, bearer(gone?.['token'] ?? '')), { timeout: 10_000 })
      .toBe(401)
    expect(await statusOf(server.address, NOWHERE, bearer(kept?.['token'] ?? ''))).toBe(404)
  })

  // TS07
  test.each(['/mcp', '/sse', '/messages?sessionId=x', '/files/a', '/metrics', '/nowhere'])(
    'are needed at %s for every method, and without one nothing is created',
    async (path) => {
      await using server = await start()
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']) {
        for (const headers of [{}, bearer('smcp_wrong'), { Authorization: 'Bearer ' }] as Record<string, string>[]) {
          const answer = await fetch(new URL(path, server.address), { method, headers })
          expect(answer.status, method).toBe(401)
          expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /)
        }
      }
      expect(await installation.containers()).toEqual([])
      expect(await installation.volumes()).toEqual([])
    },
  )

  test('are never in the log, good or bad', async () => {
    const { token = '' } = await tokenCommand('add', 'somebody')
    await using server = await start({ auth: 'tokens', 'log-level': 'debug' })
    await statusOf(server.address, NOWHERE, bearer(token))
    await statusOf(server.address, `${NOWHERE}?token=${token}`, bearer('smcp_not-a-token'))
    const log = () => JSON.stringify(server.log)
    await expect.poll(log).toContain('a credential was refused')
    expect(log()).not.toMatch(/smcp_|somebody/)
  })
})
