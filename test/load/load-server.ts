import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { addToken } from '../../src/http/auth/token-file.ts'
import { connectHttp, HTTP_LEGS } from '../helpers/http-clients.ts'
import type { McpClient } from '../helpers/mcp-client.ts'
import { parsePrometheusText, type Scrape } from '../helpers/prometheus-text.ts'
import { startHttpServer, type TestHttpServer } from '../helpers/start-http-server.ts'

const GC_ON_SIGNAL = resolve(import.meta.dirname, 'gc-on-signal.mjs')
const OPERATOR = 'operator'

/** Users and their tokens, as an operator's file has them. */
export class Tokens implements AsyncDisposable {
  readonly file: string
  readonly #directory: string
  readonly #byUser = new Map<string, string>()

  private constructor(directory: string) {
    this.#directory = directory
    this.file = join(directory, 'tokens.json')
  }

  /** A file with a token of each user, and one of the operator. */
  static async of(users: readonly string[]): Promise<Tokens> {
    const tokens = new Tokens(await mkdtemp(join(tmpdir(), 'sandbox-mcp-load-')))
    await tokens.#add(OPERATOR, ['sandbox:admin'])
    for (const user of users) await tokens.#add(user, ['sandbox:use'])
    return tokens
  }

  headersOf(user: string): Readonly<Record<string, string>> {
    return { Authorization: `Bearer ${this.#byUser.get(user) ?? ''}` }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #add(user: string, scopes: ('sandbox:use' | 'sandbox:admin')[]): Promise<void> {
    const { token } = await addToken(this.file, { user, scopes })
    this.#byUser.set(user, token)
  }
}

export interface LoadServerOptions {
  readonly installation: string
  readonly tokens: Tokens
  /** Settings by flag, without "--". */
  readonly settings: Readonly<Record<string, string>>
}

/** A server process under load, and its numbers. `await using` ends it, and asserts that it ended by itself. */
export class LoadServer implements AsyncDisposable {
  readonly #http: TestHttpServer
  readonly #tokens: Tokens

  private constructor(http: TestHttpServer, tokens: Tokens) {
    this.#http = http
    this.#tokens = tokens
  }

  static async start({ installation, tokens, settings }: LoadServerOptions): Promise<LoadServer> {
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
    const http = await startHttpServer({
      installation,
      nodeArgs: ['--expose-gc', '--import', GC_ON_SIGNAL],
      args: ['--auth', 'tokens', '--tokens-file', tokens.file, ...flags],
    })
    return new LoadServer(http, tokens)
  }

  get address(): URL {
    return this.#http.address
  }

  get openFiles(): number {
    return this.#http.openFiles
  }

  get residentBytes(): number {
    return this.#http.residentBytes
  }

  get logBytes(): number {
    return this.#http.logBytes
  }

  /** Lines of the log that tell of faults: level error (50) and above. */
  get faults(): readonly string[] {
    return this.#http.log.filter(({ level }) => level >= 50).map((line) => JSON.stringify(line))
  }

  /** A client of the user, on the leg that is its turn. */
  connect(user: string, turn: number): Promise<McpClient> {
    const leg = HTTP_LEGS[turn % HTTP_LEGS.length] ?? 'modern'
    return connectHttp(leg, this.address, this.#tokens.headersOf(user))
  }

  async metrics(): Promise<Scrape> {
    const answer = await fetch(new URL('/metrics', this.address), { headers: this.#tokens.headersOf(OPERATOR) })
    return parsePrometheusText(await answer.text())
  }

  /** Has the server collect its garbage. Resolves when it has: signals are handled in order, before the next answer. */
  async collectGarbage(): Promise<void> {
    process.kill(this.#http.pid, 'SIGUSR2')
    await this.metrics()
  }

  /** Ends it as an operator does. Resolves to its exit code. */
  async stop(): Promise<number | null> {
    process.kill(this.#http.pid, 'SIGTERM')
    return (await this.#http.exited).code
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]()
  }
}
