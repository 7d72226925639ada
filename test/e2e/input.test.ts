import { existsSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'

const installation = useInstallation()
const SECRET = `secret-${randomBytes(8).toString('hex')}`
const server = installation.useServer({ env: { AWS_SECRET_ACCESS_KEY: SECRET } })

/** Of each tool: arguments that are right. */
const RIGHT: Readonly<Record<string, Record<string, unknown>>> = {
  shell_exec: { command: 'true' },
  process_read: {},
  process_write: { process_id: 'abc-1', input: 'x' },
  read_file: { path: 'x' },
  write_file: { path: 'x', content: 'x' },
  edit_file: { path: 'x', edits: [{ old: 'x', new: 'y' }] },
  list_files: {},
  search_files: { pattern: 'x' },
  upload: { path: 'x', content: 'x' },
  run_code: { language: 'bash', path: 'x' },
  check_syntax: { language: 'bash', path: 'x' },
  sandbox_info: {},
}
const TOOLS = Object.keys(RIGHT)

describe.each(TOOLS)('%s', (tool) => {
  // IV03
  test('names the parameters that it takes when it is given an unknown one', async () => {
    const text = await server().refusal(tool, { ...RIGHT[tool], surprise: 1 })
    expect(text).toMatch(/^invalid_argument: Unknown parameter surprise: it takes [a-z0-9_, ]+\. /)
    for (const name of Object.keys(RIGHT[tool] ?? {})) expect(text).toContain(name)
  })

  // IV03
  test('names what is missing, and what is of the wrong type', async () => {
    for (const name of Object.keys(RIGHT[tool] ?? {})) {
      const wrong = await server().refusal(tool, { ...RIGHT[tool], [name]: { deep: [1] } })
      expect(wrong).toMatch(new RegExp(`^invalid_argument: ${name} must be (?:of type (?:string|array)|one of .+)\\.`))
    }
    const { tools } = await server().client.listTools()
    const required = tools.find(({ name }) => name === tool)?.inputSchema.required ?? []
    for (const name of required) {
      const { [name]: _left, ...rest } = { ...RIGHT[tool] }
      expect(await server().refusal(tool, rest)).toMatch(new RegExp(`^invalid_argument: ${name} is missing`))
    }
  })

  // IV13
  test('has a closed schema without a way to choose image, runtime, mounts, user or rights', async () => {
    const { tools } = await server().client.listTools()
    const schema = tools.find(({ name }) => name === tool)?.inputSchema
    expect(schema?.['additionalProperties']).toBe(false)
    const names = Object.keys(schema?.properties ?? {})
    for (const forbidden of [
      'image',
      'runtime',
      'mounts',
      'volumes',
      'user',
      'uid',
      'cap_add',
      'privileged',
      'network',
    ]) {
      expect(names).not.toContain(forbidden)
      expect(await server().refusal(tool, { ...RIGHT[tool], [forbidden]: 'x' })).toContain('Unknown parameter')
    }
  })

  // IV06
  test('refuses a NUL character in every text that has a meaning, before anything happens', async () => {
    for (const name of ['path', 'command', 'cwd', 'process_id', 'until']) {
      const known = (await server().client.listTools()).tools.find((each) => each.name === tool)?.inputSchema.properties
      if (!known || !(name in known)) continue
      expect(
        await server().refusal(tool, { process_id: 'abc-1', ...pick(known, RIGHT[tool]), [name]: 'a\0b' }),
      ).toMatch(/^(\[sandbox created\]\n)?(invalid_argument|not_found): /)
    }
  })
})

function pick(known: object, args: Record<string, unknown> | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(args ?? {}).filter(([name]) => name in known))
}

// IV01
test('shell syntax in a command is evaluated in the sandbox and never on the host', async () => {
  const canary = join(tmpdir(), `canary-${randomBytes(8).toString('hex')}`)
  const lines = [
    `; touch ${canary}`,
    `$(touch ${canary})`,
    `\`touch ${canary}\``,
    `| touch ${canary}`,
    `&& touch ${canary}`,
  ]
  for (const line of lines) await server().exec(`true\necho ${line}`)
  await server().exec('true', { cwd: '/tmp', stdin: `$(touch ${canary})`, env: { X: `$(touch ${canary})` } })
  expect(await server().output(`ls ${canary}`)).toBe(canary)
  expect(existsSync(canary)).toBe(false)
})

// IV05
describe('a command', () => {
  test.for([1, 131_071, 131_072, 1024 * 1024 - 64])('of %i bytes of comment runs', async (size) => {
    expect(await server().output(`echo ok #${'x'.repeat(size)}`)).toBe('ok')
  })

  test('of 0 bytes is refused as empty, and one above 1 MiB as too long, with what to do', async () => {
    expect(await server().refusal('shell_exec', { command: '' })).toMatch(/^invalid_argument: The command is empty\. /)
    expect(await server().refusal('shell_exec', { command: `#${'x'.repeat(1024 * 1024)}` })).toBe(
      'too_large: The command is longer than 1 MiB. Write a script with write_file and run that.',
    )
  })
})

// IV08
test.each([[-1], [0], [Number.MAX_VALUE], [1.5], ['5'], [null], [604_801]])(
  'a timeout_s of %j is refused with what is allowed',
  async (timeout) => {
    expect(await server().refusal('shell_exec', { command: 'true', timeout_s: timeout })).toMatch(
      /^invalid_argument: timeout_s must be /,
    )
  },
)

// IV08
test('a timeout_s above the operator’s maximum is refused with the maximum', async () => {
  expect(await server().refusal('shell_exec', { command: 'true', timeout_s: 3601 })).toBe(
    'invalid_argument: timeout_s must be at most 3600 here. Use that, or split the work.',
  )
})

// IV09
describe('env', () => {
  test.each(['=x', 'A=B', '', 'A B', 'é', '1A'])('refuses the name %j', async (name) => {
    expect(await server().refusal('shell_exec', { command: 'true', env: { [name]: 'x' } })).toMatch(
      /^invalid_argument: env: a name is not a variable name/,
    )
  })

  test('passes LD_PRELOAD and odd values through to the command alone, unchanged', async () => {
    const value = 'a=b\n\'"$(x) \u{1F642}'
    expect(await server().output('printf %s "$ODD"', { env: { ODD: value } })).toBe(value)
    expect((await server().exec('echo up', { env: { LD_PRELOAD: '/no/such.so' } })).stdout).toBe('up\n')
    expect(await server().output('echo "[$ODD$LD_PRELOAD]"')).toBe('[]')
  })

  test('takes 10,000 variables that are small enough, and refuses more than 256 KiB', async () => {
    const env = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`V${at}`, 'x']))
    expect(await server().output('env | grep -c ^V', { env })).toBe('10000')
    expect(await server().refusal('shell_exec', { command: 'true', env: { BIG: 'x'.repeat(256 * 1024) } })).toMatch(
      /^too_large: env: /,
    )
  })
})

// IV11
test('nothing of the server’s own environment is in the sandbox', async () => {
  const seen = await server().output('env; cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n"; true')
  expect(seen).not.toContain(SECRET)
  expect(seen).not.toMatch(/SANDBOX_USER|SANDBOX_INSTALLATION|DOCKER_|NODE_/)
})

test.each([
  ['process_read', { since: '0:0', tail_lines: 1, process_id: 'abc-1' }],
  ['process_read', { since: 'x', process_id: 'abc-1' }],
  ['process_read', { until: '/(/', process_id: 'abc-1' }],
  ['process_read', { until: 'port:0', process_id: 'abc-1' }],
  ['process_read', { wait_s: 51 }],
  ['process_write', { process_id: 'abc-1' }],
  ['process_write', { process_id: 'abc-1', input: 'x', signal: 'term' }],
  ['process_write', { process_id: 'abc-1', signal: 'segv' }],
  ['read_file', { path: 'x', offset: 0 }],
  ['read_file', { path: 'x', limit: 0 }],
  ['write_file', { path: 'x', content: '%', encoding: 'base64' }],
  ['write_file', { path: 'x', content: '\ud800' }],
  ['write_file', { path: 'x', content: 'x', if_version: '!' }],
  ['list_files', { cursor: 'x' }],
  ['list_files', { depth: 65 }],
  ['upload', { path: 'x', content: 'x', sha256: 'abc' }],
  ['upload', { path: 'x', content: 'x', sha256: '0'.repeat(64) }],
])('%s refuses %j as an invalid argument, with the remedy', async (tool, args) => {
  expect(await server().refusal(tool, args)).toMatch(/^invalid_argument: .+\. .+\.$/s)
})

test('an unknown tool is an error of the protocol that names the tools', async () => {
  await expect(server().call('rm', {})).rejects.toMatchObject({
    code: -32_602,
    message: expect.stringContaining('shell_exec'),
  })
})

test('an unknown runtime is named in the error, with those that there are', async () => {
  await using other = await installation.start({ user: installation.newUser(), env: { SANDBOX_RUNTIME: 'no-such' } })
  expect(await other.refusal('shell_exec', { command: 'true' })).toMatch(/^\w+: .*no-such.*python-minimal/s)
})
