import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { type Exit, hostEnvironment, type LogLine, ROOT } from './start-server.ts'

const CLI = join(ROOT, 'dist/cli.js')
/** The server promises to be gone 9 s after a signal; one that is not by then is killed, and the test fails. */
const EXIT_TIMEOUT_MS = 15_000

/** Settings of a server to which everybody on this machine says who they are, in the header X-Forwarded-User. */
export const BEHIND_PROXY = { auth: 'proxy', 'trusted-proxies': '127.0.0.1' } as const

export interface HttpServerOptions {
  readonly installation: string
  /** By the names of their flags. */
  readonly settings?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Arguments of Node itself. */
  readonly nodeArgs?: readonly string[]
  /** A program that becomes the server, such as unshare(1), with its arguments. */
  readonly launcher?: readonly string[]
}

/** A server process that listens on a free port of loopback. `await using` ends it, and asserts that it ended well and by itself. */
export class TestHttpServer implements AsyncDisposable {
  readonly address: URL
  /** Every line of the log so far. */
  readonly log: readonly LogLine[]
  /** Resolves when the process has ended and its output was read. */
  readonly exited: Promise<Exit>
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  #logBytes = 0
  #stdout = ''

  constructor(child: ChildProcessByStdio<null, Readable, Readable>, address: URL, log: readonly LogLine[]) {
    this.#child = child
    this.exited = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }))
    this.address = address
    this.log = log
    child.stderr.on('data', (chunk: Buffer) => (this.#logBytes += chunk.length))
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new Error('the server was not started')
    return pid
  }

  /** All that it has written to stdout, where a server over HTTP has nothing to say. */
  get stdout(): string {
    return this.#stdout
  }

  /** Bytes of its log since it listens. */
  get logBytes(): number {
    return this.#logBytes
  }

  /** How many files, sockets and pipes it has open. */
  get openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  /** Its resident memory, in bytes. */
  get residentBytes(): number {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]
    return Number(kib) * 1024
  }

  /** Ends it by the test's own hand. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal)
    await this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), EXIT_TIMEOUT_MS)
    const { code, signal } = await this.exited
    clearTimeout(timer)
    if (code !== 0) throw new Error(`the server ended with ${code ?? signal}:\n${JSON.stringify(this.log)}`)
  }
}

/** Starts a server over HTTP. Resolves when it listens. */
export async function startHttpServer({
  installation,
  settings = {},
  args = [],
  env = {},
  nodeArgs = [],
  launcher = [],
}: HttpServerOptions): Promise<TestHttpServer> {
  const flags = Object.entries({ transport: 'http', port: '0', ...settings }).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ])
  const command = [...launcher, process.execPath, ...nodeArgs, CLI, 'serve', ...flags, ...args]
  const child = spawn(command[0] ?? '', command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: ROOT,
    env: { ...hostEnvironment(), SANDBOX_INSTALLATION: installation, ...env },
  })
  const log: LogLine[] = []
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const entry = JSON.parse(line) as LogLine
      log.push(entry)
      if (typeof entry['address'] === 'string') resolve(entry['address'])
    })
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${JSON.stringify(log)}`)))
  })
  return new TestHttpServer(child, new URL(address), log)
}
