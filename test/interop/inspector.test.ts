import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { NODE_22, NODE_MODULES } from '../helpers/interop-packages.ts'
import { type Person, useDeployment } from './deployment.ts'
import { LEGACY, legsOf, TRANSPORTS, transportsOf } from './matrix.ts'

const deployment = useDeployment()
const CLIENTS = join(NODE_MODULES, '@modelcontextprotocol/inspector/clients')
const DEADLINE_MS = 100_000
/** Its exit codes (`--help`). */
const EXIT = { ok: 0, unauthorized: 3, toolFailed: 5 }

/** Where it keeps what it stores of its user. */
const home = mkdtempSync(join(tmpdir(), 'inspector-'))
afterAll(() => rmSync(home, { recursive: true }))

interface Ran {
  readonly code: number | string | null | undefined
  readonly output: string
}

function run(program: string, args: readonly string[], variables: Record<string, string> = {}): Promise<Ran> {
  const env = { ...process.env, HOME: home, MCP_INSPECTOR_SECRET_STORE: 'memory', ...variables }
  return new Promise((resolve) => {
    execFile(NODE_22, [join(CLIENTS, program), ...args], { env, timeout: DEADLINE_MS }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : EXIT.ok, output: error ? `${stdout}\n${stderr}` : stdout }),
    )
  })
}

const headersOf = ({ headers }: Person['http']) => ['--header', `Authorization: ${headers.Authorization}`]

/** How the Inspector is told of a server. */
const targetOf = {
  stdio: ({ stdio: { command, args, env, cwd } }: Person) => [
    command,
    ...args,
    '--cwd',
    cwd,
    ...Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]),
  ],
  http: ({ http }: Person) => [http.url, '--transport', 'http', ...headersOf(http)],
  sse: ({ sse }: Person) => [sse.url, '--transport', 'sse', ...headersOf(sse)],
}

/** One run of the Inspector's command line: connects, does one thing, ends. */
function inspect(target: readonly string[], method: string, ...args: readonly string[]): Promise<Ran> {
  return run('launcher/build/index.js', ['--cli', ...target, '-q', '--format', 'json', '--method', method, ...args])
}

function call(target: readonly string[], tool: string, args: object, ...flags: readonly string[]): Promise<Ran> {
  return inspect(target, 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args), ...flags)
}

describe.skipIf(inject('interopMissing') !== '')('the MCP Inspector', () => {
  test.each(TRANSPORTS)('finds nothing to complain of in the tools over %s, with --strict', async (transport) => {
    const person = deployment.newPerson()
    const { code, output } = await inspect(targetOf[transport](person), 'tools/list', '--strict')
    expect(code, output).toBe(EXIT.ok)
    const { result } = JSON.parse(output) as { result: { tools: { name: string }[] } }
    expect(result.tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['shell_exec', 'read_file', 'write_file', 'list_files', 'upload']),
    )
    // A client that only looks makes no sandbox.
    expect(await deployment.containers(person)).toEqual([])
  })

  test.each(legsOf('inspector'))(
    'over %s, era %s, speaks %s, and finds the same sandbox in each run',
    async (transport, mode, revision) => {
      const person = deployment.newPerson()
      const target = [...targetOf[transport](person), '--protocol-era', mode]
      const { output } = await inspect(target, 'initialize')
      expect(JSON.parse(output)).toMatchObject({ result: { protocolVersion: revision } })
      const wrote = await call(target, 'write_file', { path: 'note', content: 'from one run\n' })
      expect(wrote.code, wrote.output).toBe(EXIT.ok)
      const ran = await call(target, 'shell_exec', { command: 'cat note' })
      const structuredContent = { stdout: 'from one run\n', exit_code: 0 }
      expect(JSON.parse(ran.output)).toMatchObject({ result: { structuredContent } })
      expect(await deployment.containers(person)).toHaveLength(1)
    },
  )

  test('exits with its code for a tool error when a tool cannot do its job', async () => {
    const { code, output } = await call(targetOf.http(deployment.newPerson()), 'shell_exec', {})
    expect(code, output).toBe(EXIT.toolFailed)
    expect(output).toContain('invalid_argument: command is missing')
  })

  test.each(['http', 'sse'] as const)(
    'exits with its code for no authorization over %s without the token',
    async (transport) => {
      const person = deployment.newPerson()
      const target = [person[transport].url, '--transport', transport, '--stored-auth-only']
      const { code, output } = await inspect(target, 'tools/list')
      expect(code, output).toBe(EXIT.unauthorized)
    },
  )

  test.each(TRANSPORTS)('loads a tool over %s without one error', async (transport) => {
    const person = deployment.newPerson()
    const load = ['--load', '--load-requests', '50', '--load-concurrency', '5']
    const { code, output } = await call(targetOf[transport](person), 'shell_exec', { command: 'true' }, ...load)
    expect(code, output).toBe(EXIT.ok)
    expect(JSON.parse(output)).toMatchObject({ result: { requests: 50, ok: 50, errorRate: 0 } })
  })

  test.each(transportsOf('mcpdo', 'one session'))(
    'keeps one session over several commands of mcpdo over %s',
    async (transport) => {
      const person = deployment.newPerson()
      const daemon = mkdtempSync(join(home, 'daemon-'))
      const variables = { MCP_INSPECTOR_DAEMON_DIR: daemon, MCP_INSPECTOR_DAEMON_TOKEN: randomUUID() }
      const mcpdo = async (...args: readonly string[]) => {
        const ran = await run('mcpdo/build/mcp-bin.js', ['--format', 'json', '--connection', 'lab', ...args], variables)
        expect(ran.code, ran.output).toBe(EXIT.ok)
        return ran.output
      }
      await mcpdo('connect', ...targetOf[transport](person))
      try {
        expect(JSON.parse(await mcpdo('connections/show'))).toMatchObject({ protocolVersion: LEGACY })
        await mcpdo('tools/call', 'write_file', 'path:="note"', 'content:="kept"')
        const ran = JSON.parse(await mcpdo('tools/call', 'shell_exec', 'command:="cat note"')) as object
        expect(ran).toMatchObject({ structuredContent: { stdout: 'kept', exit_code: 0 } })
        await mcpdo('disconnect')
      } finally {
        await mcpdo('daemon', 'stop')
      }
    },
  )
})
