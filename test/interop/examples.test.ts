import { execFile } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import semver from 'semver'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { CLIENT_CONFIGS, configuredServers } from '../helpers/client-configs.ts'
import { NODE_MODULES } from '../helpers/interop-packages.ts'
import { PYTHON } from '../helpers/interop-python.ts'
import { ROOT } from '../helpers/start-server.ts'
import { type UsersProject, usersProject } from '../helpers/users-project.ts'
import { type Person, useDeployment } from './deployment.ts'

const deployment = useDeployment()
const DEADLINE_MS = 100_000

/** Runs an example to its end, and gives what it printed. */
async function run(program: string, file: string, cwd: string, env: Readonly<Record<string, string>>): Promise<string> {
  const { stdout } = await promisify(execFile)(program, [file], { cwd, env, timeout: DEADLINE_MS })
  return stdout
}

/** The variables by which an example over HTTP is somebody. */
function asUser({ http, stdio }: Person): Record<string, string> {
  return { ...stdio.env, SANDBOX_URL: http.url, SANDBOX_TOKEN: tokenOf(http.headers) }
}

function tokenOf({ Authorization }: { readonly Authorization: string }): string {
  return Authorization.replace('Bearer ', '')
}

describe.skipIf(inject('interopMissing') !== '')('the examples in JavaScript', () => {
  let project: UsersProject
  beforeAll(() => {
    project = usersProject()
    // As npm does with the programs of a package that it installs.
    chmodSync(join(ROOT, 'dist/cli.js'), 0o755)
  })
  afterAll(() => project[Symbol.dispose]())
  const example = (name: string, env: Readonly<Record<string, string>>) =>
    run(process.execPath, name, join(project.folder, 'javascript'), env)

  test('ask for versions of the packages that are tried here', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'examples/javascript/package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }
    for (const [name, range] of Object.entries(dependencies)) {
      const { version } = JSON.parse(readFileSync(join(NODE_MODULES, name, 'package.json'), 'utf8')) as {
        version: string
      }
      expect(semver.satisfies(version, range), `${name}@${version} is none of ${range}`).toBe(true)
    }
  })

  test('sdk-stdio.mjs runs a program, and a server in the background that another one asks', async () => {
    const printed = await example('sdk-stdio.mjs', deployment.newPerson().stdio.env)
    expect(printed).toContain('exit 0: [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]')
    expect(printed).toContain('its answer: 200')
  })

  test('sdk-http.mjs finds in one session what another has written', async () => {
    const person = deployment.newPerson()
    expect(await example('sdk-http.mjs', asUser(person))).toBe('from another session\n\n')
    expect(await deployment.containers(person)).toHaveLength(1)
  })

  test('langchain-agent.mjs lets its model write and run a program', async () => {
    const lines = (await example('langchain-agent.mjs', deployment.newPerson().stdio.env)).split('\n')
    expect(lines).toContainEqual(expect.stringMatching(/^tool: 5050\[exit 0/))
    expect(lines).toContain('ai: The sum of the numbers to 100 is 5050.')
  })

  test('langchain-many-users.mjs works for each user in their own sandbox', async () => {
    const people = [deployment.newPerson(), deployment.newPerson()]
    const tokens = Object.fromEntries(people.map(({ user, http }) => [user, tokenOf(http.headers)]))
    const env = { ...asUser(people[0] as Person), TOKENS: JSON.stringify(tokens) }
    const printed = await example('langchain-many-users.mjs', env)
    for (const person of people) {
      expect(printed).toContain(`${person.user}: ${person.user}'s file`)
      expect(await deployment.containers(person)).toHaveLength(1)
    }
  })
})

describe.skipIf(inject('pythonMissing') !== '')('mcp_client.py', () => {
  let project: UsersProject
  beforeAll(() => {
    project = usersProject()
  })
  afterAll(() => project[Symbol.dispose]())
  const cwd = () => join(project.folder, 'python')

  test('finds in one session over HTTP what another has written', async () => {
    const person = deployment.newPerson()
    const printed = await run(PYTHON, 'mcp_client.py', cwd(), asUser(person))
    expect(printed).toBe("hello from /workspace/hello.py\n['hello.py']\n")
  })

  test('does so with a server of its own for each session', async () => {
    const printed = await run(PYTHON, 'mcp_client.py', cwd(), deployment.newPerson().stdio.env)
    expect(printed).toMatch(/^hello from \/workspace\/hello\.py\n\[.*'hello\.py'.*\]\n$/)
  })
})

describe('a client that is configured as in examples/clients', () => {
  const remote = CLIENT_CONFIGS.filter(({ client }) => client !== 'Claude Desktop')

  test.each(remote)('$client reaches a server by URL, as the user of its token', async (config) => {
    const person = deployment.newPerson()
    const token = tokenOf(person.http.headers)
    const { 'sandbox-team': server } = configuredServers(config, { SANDBOX_TOKEN: token, 'sandbox-token': token })
    if (server?.url === undefined) throw new Error('there is no server by URL')
    // The port is another one at each run, and all else as it is written.
    const url = new URL(new URL(server.url).pathname, deployment.server.address)
    const client = new Client({ name: config.client, version: '1.0.0' })
    const requestInit = { headers: { ...server.headers } }
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit }))
    const { structuredContent } = await client.callTool({ name: 'shell_exec', arguments: { command: 'echo here' } })
    expect(structuredContent).toMatchObject({ stdout: 'here\n' })
    expect(await deployment.containers(person)).toHaveLength(1)
    await client.close()
  })
})
