import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { COMMANDS } from '../../src/commands.ts'
import { settingsHelp } from '../../src/config/describe.ts'
import { useInstallation } from '../helpers/installation.ts'
import { run } from '../helpers/run-cli.ts'
import { hostEnvironment, ROOT } from '../helpers/start-server.ts'

const installation = useInstallation()
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'command-line-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function configFile(content: string): Promise<string> {
  const path = join(directory, `${randomUUID()}.json`)
  await writeFile(path, content)
  return path
}

test('--help names every command and setting with its variable and default, and exits with 0', async () => {
  const { code, stdout, stderr } = await run(['--help'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  for (const word of ['serve', 'config', 'build', '--idle-timeout', 'SANDBOX_IDLE_TIMEOUT', '30m', '--config FILE']) {
    expect(stdout).toContain(word)
  }
  for (const name of Object.keys(COMMANDS)) expect(stdout).toMatch(new RegExp(`^  ${name}( |$)`, 'm'))
  for (const { flag, variable } of settingsHelp()) {
    expect(stdout).toMatch(new RegExp(`^  ${flag}\\s`, 'm'))
    expect(stdout).toContain(variable)
  }
})

test('--help after a command tells of that one alone', async () => {
  const { code, stdout, stderr } = await run(['backup', '--help'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^Usage: sandbox-mcp backup USER \[--no-verify\] \| USER --list \| USER --remove ID\n\nCopy /)
  expect(stdout).not.toContain('restore USER')
  expect((await run(['serve', '--help'])).stdout).toBe((await run(['--help'])).stdout)
})

test('--version is the version of the package', async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
})

// EX_USAGE and EX_CONFIG of sysexits.h
test.each<[string, readonly string[], number, RegExp]>([
  ['an unknown flag', ['serve', '--no-such'], 64, /--no-such/],
  ['an unknown command', ['dance'], 64, /Unknown command "dance"\.\nSee sandbox-mcp --help\./],
  ['a flag without its value', ['--user'], 64, /--user/],
  [
    'a value that is not allowed',
    ['config', '--memory', '1'],
    78,
    /^config_invalid: memory \(flag --memory\): give a size/,
  ],
  ['a config file that is missing', ['config', '--config', '/no/such.json'], 78, /cannot be read/],
  ['a transport that does not exist', ['serve', '--transport', 'carrier-pigeon'], 78, /transport \(flag --transport\)/],
])('%s ends with what to do on stderr and the exit code of its kind', async (_name, args, code, message) => {
  const ran = await run(args)
  expect(ran).toMatchObject({ code, stdout: '' })
  expect(ran.stderr).toMatch(message)
  expect(ran.stderr).not.toMatch(/\n\s+at /)
})

describe('sandbox-mcp config', () => {
  test('shows each value with its source: flag over variable over file over default', async () => {
    const file = await configFile('{"user":"from-file","cpus":2,"pids":128}')
    const { code, stdout } = await run(['config', '--json', '--config', file, '--user', 'from-flag'], {
      SANDBOX_USER: 'from-env',
      SANDBOX_CPUS: '3',
    })
    const settings = JSON.parse(stdout) as { key: string; value: string; source: string }[]
    const of = (key: string) => settings.find((each) => each.key === key)
    expect(code).toBe(0)
    expect(of('user')).toMatchObject({ value: 'from-flag', source: 'flag --user' })
    expect(of('cpus')).toMatchObject({ value: '3', source: 'env SANDBOX_CPUS' })
    expect(of('pids')).toMatchObject({ value: '128', source: `file ${file}` })
    expect(of('memory')).toMatchObject({ value: '512MiB', source: 'default' })
  })

  test('masks a password in the engine’s address', async () => {
    const { stdout } = await run(['config'], { SANDBOX_ENGINE: 'tcp://me:hunter2@engine.example:2376' })
    expect(stdout).toContain('tcp://me:***@engine.example:2376')
    expect(stdout).not.toContain('hunter2')
  })

  test('lists every problem of a file at once', async () => {
    const file = await configFile('{"cpus":0,"memory":"lots","colour":"red"}')
    const { code, stderr } = await run(['config', '--config', file])
    expect(code).toBe(78)
    for (const key of ['cpus', 'memory', 'colour']) expect(stderr).toContain(key)
  })

  // ES16: there is no setting that takes a protection away
  test.each(['privileged', 'capAdd', 'binds', 'seccomp', 'maskedPaths', 'networkMode', 'user_uid'])(
    'refuses %s in the file: no setting weakens the profile',
    async (key) => {
      const file = await configFile(JSON.stringify({ [key]: true }))
      const { code, stderr } = await run(['config', '--config', file])
      expect(code).toBe(78)
      expect(stderr).toContain(`${key} (file ${file}): unknown setting`)
    },
  )

  test.each(['host', 'container:x', 'default'])('refuses the network %s', async (network) => {
    expect(await run(['config', '--network', network])).toMatchObject({ code: 78 })
  })
})

test('a config file that SANDBOX_CONFIG names is used by the server', async () => {
  const user = installation.newUser()
  const config = await configFile(JSON.stringify({ user, installation: installation.name, pids: 99 }))
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ['dist/cli.js'],
    cwd: ROOT,
    env: { ...hostEnvironment(), SANDBOX_CONFIG: config },
  })
  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(transport)
  await client.callTool({ name: 'shell_exec', arguments: { command: 'true' } })
  const container = await installation.engine.containers.inspect(installation.identityOf(user).containerName)
  expect(container?.effective.pids).toBe(99)
  await client.close()
})

test('mcp.json is a client’s configuration as it stands: its server starts, lists its tools and runs a command', async () => {
  const { mcpServers } = JSON.parse(await readFile(join(ROOT, 'mcp.json'), 'utf8')) as {
    mcpServers: Record<string, { command: string; args: string[]; env: Record<string, string> }>
  }
  const entry = mcpServers['sandbox']
  if (!entry) throw new Error('mcp.json has no server "sandbox"')
  // The installation keeps the sandbox of this test apart from one that a person uses.
  const env = { ...hostEnvironment(), SANDBOX_INSTALLATION: installation.name, ...entry.env }
  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(new StdioClientTransport({ command: entry.command, args: entry.args, env, cwd: ROOT }))
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['shell_exec', 'read_file', 'write_file', 'list_files', 'upload']),
  )
  const result = await client.callTool({ name: 'shell_exec', arguments: { command: 'echo hello from $USER' } })
  expect(result.structuredContent).toMatchObject({ stdout: 'hello from sandbox\n', exit_code: 0 })
  expect(await installation.containers('alice')).toHaveLength(1)
  await client.close()
})
