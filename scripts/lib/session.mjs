import { createWriteStream } from 'node:fs'
import { join } from 'node:path'

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport, getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js'

import { readServerConfig } from './mcp-config.mjs'
import { ensureCacheDir, root } from './paths.mjs'
import { duration, paint, print } from './terminal.mjs'

/** What the server of the last session has logged. */
export const serverLogPath = join(ensureCacheDir(), 'first-session.log')

/** How much of a result is shown. */
const shownLines = 14
const shownWidth = 116

/** How much of one argument is shown. */
const shownArgument = 76

/** An MCP session with the server as mcp.json starts it, over stdio, in the open: each call and its result are printed.
 * What the server logs goes to `serverLogPath`. */
export class Session {
  #client = new Client({ name: 'sandbox-mcp-quickstart', version: '1.0.0' })

  static async open() {
    const session = new Session()
    const { command, args, env } = readServerConfig()
    // The SDK passes on only a handful of variables; the server must find the same engine as set-up did.
    const engine = Object.entries(process.env).filter(
      ([name]) => name.startsWith('DOCKER_') || name.startsWith('SANDBOX_'),
    )
    const environment = { ...getDefaultEnvironment(), ...Object.fromEntries(engine), ...env }
    const transport = new StdioClientTransport({ command, args, env: environment, cwd: root, stderr: 'pipe' })
    transport.stderr.pipe(createWriteStream(serverLogPath))
    await session.#client.connect(transport)
    return session
  }

  /** {name, version} of the server. */
  get server() {
    return this.#client.getServerVersion()
  }

  /** Names of the server's tools. */
  async toolNames() {
    const { tools } = await this.#client.listTools()
    return tools.map((tool) => tool.name)
  }

  /** Calls a tool, prints `why`, the call, its result and its time, and gives the result. */
  async show(why, name, args) {
    print(`\n${paint('dim', `# ${why}`)}`)
    const startedMs = performance.now()
    const result = await this.call(name, args)
    const took = duration(performance.now() - startedMs)
    print(`${paint('cyan', `▸ ${name}`)} ${shortArguments(args)}  ${paint('green', took)}`)
    print(shortText(result))
    return result
  }

  /** Calls a tool and gives the result. Fails when the tool could not do what it was asked, or a command did not exit with 0. */
  async call(name, args) {
    const result = await this.#client.callTool({ name, arguments: args })
    const hasFailed = name === 'shell_exec' && (result.structuredContent.exit_code ?? 0) !== 0
    if (result.isError || hasFailed) throw new Error(`${name}: ${textOf(result)}`)
    return result
  }

  close() {
    return this.#client.close()
  }
}

function textOf(result) {
  return result.content.map((block) => block.text ?? `(${block.type})`).join('\n')
}

function shortText(result) {
  const lines = textOf(result).trimEnd().split('\n')
  const shown = lines.slice(0, shownLines).map((line) => `  ${line.slice(0, shownWidth)}`)
  if (lines.length > shownLines) shown.push(paint('dim', `  … ${lines.length - shownLines} more lines`))
  return shown.join('\n')
}

function shortArguments(args) {
  return Object.entries(args)
    .map(([name, value]) => `${paint('dim', `${name}=`)}${shortValue(value)}`)
    .join(' ')
}

function shortValue(value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const [firstLine] = text.split('\n')
  const isWhole = firstLine === text && text.length <= shownArgument
  return isWhole ? text : `${firstLine.slice(0, shownArgument)}… (${text.length} characters)`
}
