import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { addToken } from '../../src/http/auth/token-file.ts'
import type { Installation } from './installation.ts'
import { startHttpServer, type TestHttpServer } from './start-http-server.ts'
import type { TestServer } from './start-server.ts'

/** One of the users of a server over HTTP. */
export interface HttpUser {
  readonly name: string
  readonly token: string
  /** Arguments of curl that say who it is. */
  readonly credential: readonly string[]
  /** The same sandbox by another server of the installation, over stdio: to look from inside at what came. */
  readonly inside: TestServer
}

export interface HttpUsers {
  readonly server: TestHttpServer
  readonly alice: HttpUser
  readonly bob: HttpUser
  /** An address of the server. */
  url(path: string): string
  /** A directory of this machine that goes when the file ends. */
  readonly directory: string
  /** A file in it with this content. Resolves to its path. */
  localFile(name: string, content: Buffer | string): Promise<string>
  /** A file in it of so many zero bytes, which take no room. */
  sparseFile(name: string, bytes: number): Promise<string>
}

/** A server over HTTP with two users for all tests of the file. */
export function useHttpUsers(installation: Installation, args: readonly string[] = []): () => HttpUsers {
  let users: HttpUsers | undefined
  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sandbox-mcp-http-'))
    const tokensFile = join(directory, 'tokens.json')
    const user = async (): Promise<HttpUser> => {
      const name = installation.newUser()
      const { token } = await addToken(tokensFile, { user: name, scopes: ['sandbox:use'] })
      const credential = ['-H', `Authorization: Bearer ${token}`]
      return { name, token, credential, inside: await installation.start({ user: name }) }
    }
    const [alice, bob] = [await user(), await user()]
    const server = await startHttpServer({
      installation: installation.name,
      args: ['--auth', 'tokens', '--tokens-file', tokensFile, '--log-level', 'debug', ...args],
    })
    users = {
      server,
      alice,
      bob,
      directory,
      url: (path) => `${server.address.origin}${path}`,
      async localFile(name, content) {
        await writeFile(join(directory, name), content)
        return join(directory, name)
      },
      async sparseFile(name, bytes) {
        await writeFile(join(directory, name), '')
        await truncate(join(directory, name), bytes)
        return join(directory, name)
      },
    }
  })
  afterAll(async () => {
    if (!users) return
    const { server, alice, bob, directory } = users
    await Promise.all([server, alice.inside, bob.inside].map((each) => each[Symbol.asyncDispose]()))
    await rm(directory, { recursive: true, force: true })
  })
  return () => {
    if (!users) throw new Error('the users are there in tests only')
    return users
  }
}
