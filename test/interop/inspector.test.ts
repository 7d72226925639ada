import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { INTEROP } from '../helpers/interop-packages.ts'
import { useInstallation } from '../helpers/installation.ts'
import { hostEnvironment, ROOT } from '../helpers/start-server.ts'

const installation = useInstallation()
const NODE = join(INTEROP, 'node_modules/node/bin/node')
const INSPECTOR = join(INTEROP, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js')

interface Ran {
  readonly code: number | string | null | undefined
  readonly output: string
}

/** Runs the MCP Inspector's command line against the server, over stdio. */
function inspect(user: string, ...args: readonly string[]): Promise<Ran> {
  const variables = { ...hostEnvironment(), SANDBOX_USER: user, SANDBOX_INSTALLATION: installation.name }
  const passed = Object.entries(variables).flatMap(([name, value]) => ['-e', `${name}=${value}`])
  const server = [process.execPath, 'dist/cli.js', 'serve']
  const line = [INSPECTOR, '--cli', ...server, '-q', '--format', 'json', ...passed, ...args]
  return new Promise((resolve) => {
    execFile(NODE, line, { cwd: ROOT, timeout: 100_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, output: error ? `${stdout}\n${stderr}` : stdout }),
    )
  })
}

describe.skipIf(inject('interopMissing') !== '')('the MCP Inspector', () => {
  test('initializes, and finds nothing to complain of in the tools, with --strict', async () => {
    const user = installation.newUser()
    expect((await inspect(user, '--method', 'initialize')).code).toBe(0)
    const { code, output } = await inspect(user, '--method', 'tools/list', '--strict')
    expect(code, output).toBe(0)
    const { result } = JSON.parse(output) as { result: { tools: { name: string }[] } }
    expect(result.tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['shell_exec', 'read_file', 'write_file', 'list_files', 'upload']),
    )
    // mcp: a client that only looks makes no sandbox.
    expect(await installation.containers(user)).toEqual([])
  })

  test.each(['legacy', 'auto'])(
    'calls tools in the protocol era %s, and finds the same sandbox in each run',
    async (era) => {
      const user = installation.newUser()
      const call = (tool: string, args: object) =>
        inspect(
          user,
          '--protocol-era',
          era,
          '--method',
          'tools/call',
          '--tool-name',
          tool,
          '--tool-args-json',
          JSON.stringify(args),
        )
      const wrote = await call('write_file', { path: 'note', content: 'from one run\n' })
      expect(wrote.code, wrote.output).toBe(0)
      const ran = await call('shell_exec', { command: 'cat note' })
      expect(JSON.parse(ran.output)).toMatchObject({
        result: { structuredContent: { stdout: 'from one run\n', exit_code: 0 } },
      })
    },
  )

  test('exits with its code for a tool error when a tool cannot do its job', async () => {
    const user = installation.newUser()
    const { code, output } = await inspect(
      user,
      '--method',
      'tools/call',
      '--tool-name',
      'shell_exec',
      '--tool-args-json',
      '{}',
    )
    expect(code, output).toBe(5)
    expect(output).toContain('invalid_argument: command is missing')
  })
})
