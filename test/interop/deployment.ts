import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { addToken } from '../../src/http/auth/token-file.ts'
import { useInstallation } from '../helpers/installation.ts'
import { startHttpServer, type TestHttpServer } from '../helpers/start-http-server.ts'
import { hostEnvironment, ROOT } from '../helpers/start-server.ts'

/** Most people that the tests of one file need. They have their tokens before the server starts. */
const PEOPLE = 64

interface Endpoint {
  readonly url: string
  readonly headers: { readonly Authorization: string }
}

/** A user, and how any client of theirs reaches their sandbox. */
export interface Person {
  readonly user: string
  /** The command that starts a server of their own. */
  readonly stdio: { command: string; args: string[]; env: Record<string, string>; cwd: string }
  readonly http: Endpoint
  readonly sse: Endpoint
}

/** One installation, as its users reach it over every transport: an HTTP server that asks for tokens, and servers over stdio beside it. */
export interface Deployment {
  readonly server: TestHttpServer
  /** Somebody who no other test has. */
  newPerson(): Person
  /** Ids of the containers of a person. */
  containers(person: Person): Promise<string[]>
}

/** Call once at the top of a file: starts the HTTP server for its tests. */
export function useDeployment({ args = [] }: { readonly args?: readonly string[] } = {}): Deployment {
  const installation = useInstallation()
  const folder = mkdtempSync(join(tmpdir(), 'deployment-'))
  const tokensFile = join(folder, 'tokens.json')
  const tokens = new Map<string, string>()
  let running: TestHttpServer | undefined

  beforeAll(async () => {
    for (let count = 0; count < PEOPLE; count++) {
      const user = installation.newUser()
      tokens.set(user, (await addToken(tokensFile, { user, scopes: ['sandbox:use'] })).token)
    }
    const auth = ['--auth', 'tokens', '--tokens-file', tokensFile]
    running = await startHttpServer({ installation: installation.name, args: [...auth, ...args] })
  })
  afterAll(async () => {
    await running?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  const server = () => {
    if (!running) throw new Error('the server runs in tests only')
    return running
  }
  return {
    get server() {
      return server()
    },
    newPerson() {
      const [next] = tokens
      if (!next) throw new Error(`more than ${PEOPLE} people`)
      const [user, token] = next
      tokens.delete(user)
      const env = { ...hostEnvironment(), SANDBOX_USER: user, SANDBOX_INSTALLATION: installation.name }
      const headers = { Authorization: `Bearer ${token}` }
      return {
        user,
        stdio: { command: process.execPath, args: ['dist/cli.js', 'serve'], env, cwd: ROOT },
        http: { url: new URL('/mcp', server().address).href, headers },
        sse: { url: new URL('/sse', server().address).href, headers },
      }
    },
    containers: async ({ user }) => (await installation.containers(user)).map(({ id }) => id),
  }
}
