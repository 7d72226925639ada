import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { deserializeMessage, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import type { CallResult } from '../../src/mcp/protocol.ts'
import type { CallOptions } from './mcp-client.ts'
import { ToolCaller } from './tool-caller.ts'

export const ROOT = resolve(import.meta.dirname, '../..')
const CLI = join(ROOT, 'dist/cli.js')

/** The server promises to be gone 5 s after its stdin ended; a process that is not by then is killed, and the test fails. */
const EXIT_TIMEOUT_MS = 15_000

export interface ServerOptions {
  readonly user?: string
  readonly installation?: string
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** One line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string }

/** A server process, as an MCP client starts it, with the SDK's client connected over its stdin and stdout. */
export class TestServer extends ToolCaller implements AsyncDisposable {
  readonly client = new Client({ name: 'test', version: '1.0.0' })
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  /** Resolves when the process has ended and its output was read. */
  readonly exited: Promise<Exit>
  /** Lines on stdout that are no JSON-RPC message. A server must have none; disposing asserts it. */
  readonly foreignLines: string[] = []
  /** Every message that came. */
  readonly messages: JSONRPCMessage[] = []
  #stderr = ''

  constructor({ user = 'local', installation, env = {}, args = ['serve'] }: ServerOptions) {
    super(user)
    this.child = spawn(process.execPath, [CLI, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: ROOT,
      env: {
        ...hostEnvironment(),
        SANDBOX_USER: user,
        ...(installation && { SANDBOX_INSTALLATION: installation }),
        ...env,
      },
    })
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    // Ends in the middle of a test are the test's matter: what it asks for then fails.
    this.child.stdin.on('error', () => {})
    this.exited = once(this.child, 'close').then(([code, signal]): Exit => ({ code, signal }))
  }

  get pid(): number {
    const { pid } = this.child
    if (pid === undefined) throw new Error('the server was not started')
    return pid
  }

  get stderr(): string {
    return this.#stderr
  }

  /** The log so far. Fails when a line is not one JSON object. */
  get log(): LogLine[] {
    return this.#stderr
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine)
  }

  connect(): Promise<void> {
    return this.client.connect(this.transport())
  }

  /** The process's stdin and stdout as the SDK's transport. */
  transport(): Transport {
    const { child } = this
    const transport: Transport = {
      start: async () => {
        let rest = ''
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          const lines = (rest + text).split('\n')
          rest = lines.pop() ?? ''
          for (const line of lines) this.#receive(line, transport)
        })
        child.stdout.on('close', () => {
          if (rest !== '') this.foreignLines.push(rest)
          transport.onclose?.()
        })
      },
      send: (message) =>
        new Promise((done, fail) =>
          child.stdin.write(serializeMessage(message), (error) => (error ? fail(error) : done())),
        ),
      close: async () => void child.stdin.end(),
    }
    return transport
  }

  protected async request(name: string, args: Record<string, unknown>, options: CallOptions): Promise<CallResult> {
    return (await this.client.callTool({ name, arguments: args }, undefined, { ...options })) as CallResult
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  endInput(): void {
    this.child.stdin.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endInput()
    const timer = setTimeout(() => this.kill('SIGKILL'), EXIT_TIMEOUT_MS)
    const { signal } = await this.exited
    clearTimeout(timer)
    if (signal === 'SIGKILL' && !this.child.killed) throw new Error(`the server was killed:\n${this.#stderr}`)
    if (this.foreignLines.length > 0) throw new Error(`not JSON-RPC on stdout: ${this.foreignLines.join('\n')}`)
  }

  #receive(line: string, transport: Transport): void {
    let message: JSONRPCMessage
    try {
      message = deserializeMessage(line)
    } catch {
      this.foreignLines.push(line)
      return
    }
    this.messages.push(message)
    transport.onmessage?.(message)
  }
}

/** Starts a server and connects to it. */
export async function startServer(options: ServerOptions): Promise<TestServer> {
  const server = new TestServer(options)
  try {
    await server.connect()
  } catch (error) {
    server.kill('SIGKILL')
    throw new Error(`the server did not answer:\n${server.stderr}`, { cause: error })
  }
  return server
}

/** A test starts what it needs itself: it counts containers, or looks at which call starts one. */
const NOTHING_AHEAD = { SANDBOX_POOL_SIZE: '0', SANDBOX_PREWARM: 'never' }

/** What a server needs of our own environment: where programs are, and which engine it is; and that it starts nothing by itself. */
export function hostEnvironment(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'SYSTEMROOT', 'XDG_RUNTIME_DIR']
  const own = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value !== undefined && (kept.includes(name) || name.startsWith('DOCKER_')) ? [[name, value]] : [],
    ),
  )
  return { ...own, ...NOTHING_AHEAD }
}
