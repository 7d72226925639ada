import { oneLine } from '../lib/visible-text.ts'
import type { Commands } from './commands.ts'
import type { SandboxLink } from './link.ts'
import { isMissingProgram } from './wire-faults.ts'

/** What a sandbox's image brings, as its own programs tell it. Untrusted, bounded, safe to show. */
export interface SystemInventory {
  /** "Debian GNU/Linux 12 (bookworm)" */
  readonly os: string | undefined
  /** "x86_64" */
  readonly architecture: string | undefined
  readonly kernel: string | undefined
  /** Versions of the languages and tools that are there, by the name of their program. */
  readonly programs: Readonly<Record<string, string>>
}

/** What the node of a sandbox can do. */
export interface NodeAbilities {
  readonly version: string
  /** Runs TypeScript as it is. */
  readonly typescript: boolean
  /** Options that it knows. */
  readonly options: ReadonlySet<string>
}

/** How each program is asked for its version; the first number of what it says counts. */
const VERSION_COMMANDS: Readonly<Record<string, string>> = {
  python3: 'python3 --version',
  node: 'node --version',
  bash: 'bash --version',
  deno: 'deno --version',
  bun: 'bun --version',
  tsc: 'tsc --version',
  ruby: 'ruby --version',
  perl: `perl -e 'print $^V'`,
  php: 'php --version',
  go: 'go version',
  rustc: 'rustc --version',
  java: 'java -version',
  gcc: 'gcc -dumpfullversion',
  git: 'git --version',
  rg: 'rg --version',
  make: 'make --version',
  sqlite3: 'sqlite3 --version',
  jq: 'jq --version',
  curl: 'curl --version',
}
const MARK = '@@inventory '
const SCRIPT = [
  `printf '%sos\\n' '${MARK}'`,
  '(. /etc/os-release && echo "$PRETTY_NAME")',
  `printf '%skernel\\n' '${MARK}'; uname -r`,
  `printf '%sarchitecture\\n' '${MARK}'; uname -m`,
  ...Object.entries(VERSION_COMMANDS).map(
    ([name, command]) =>
      `if command -v ${name} >/dev/null; then printf '%s${name}\\n' '${MARK}'; ${command} </dev/null; fi`,
  ),
].join('\n')
const NODE_PROGRAM =
  'console.log(JSON.stringify([process.version, Boolean(process.features.typescript), ' +
  '[...process.allowedNodeEnvironmentFlags].filter((each) => each.length < 64)]))'
const TIMEOUT_MS = 15_000
const MAX_OUTPUT_BYTES = 64 * 1024
const VERSION = /\d+(?:\.\d+)+(?:[-+.]?[A-Za-z0-9]+)*/
const MAX_TEXT = 80

/** Looks a sandbox's image over, once in the life of a container. */
export class Inventory {
  readonly #link: SandboxLink
  readonly #commands: Commands
  readonly #known = new Map<string, Promise<unknown>>()
  #boot = ''

  constructor(link: SandboxLink, commands: Commands) {
    this.#link = link
    this.#commands = commands
  }

  /** Operating system and versions. Empty where the image has no shell to ask with. */
  system(signal?: AbortSignal): Promise<SystemInventory> {
    return this.#once('system', signal, async () => parseSystem(await this.#ask(SCRIPT)))
  }

  /** What node can do; undefined where there is none. */
  node(signal?: AbortSignal): Promise<NodeAbilities | undefined> {
    return this.#once('node', signal, async () => {
      try {
        return parseNode(await this.#ask(['node', '--eval', NODE_PROGRAM]))
      } catch (error) {
        if (isMissingProgram(error)) return undefined
        throw error
      }
    })
  }

  async #ask(command: string | readonly string[]): Promise<string> {
    const limits = { timeoutMs: TIMEOUT_MS, waitMs: TIMEOUT_MS * 2, maxOutputBytes: MAX_OUTPUT_BYTES }
    const { stdout } = await this.#commands.run({ ...limits, command, private: true })
    return stdout.head.toString('utf8')
  }

  /** The answer of this container; a failure is forgotten. One who gives up waiting does not spoil it for others. */
  async #once<T>(key: string, signal: AbortSignal | undefined, ask: () => Promise<T>): Promise<T> {
    const { connection } = await this.#link.client(signal)
    const boot = connection.hello.bootId.toString('hex')
    if (boot !== this.#boot) this.#known.clear()
    this.#boot = boot
    let answer = this.#known.get(key) as Promise<T> | undefined
    if (!answer) {
      answer = ask()
      this.#known.set(key, answer)
      answer.catch(() => this.#known.delete(key))
    }
    return answer
  }
}

/** Reads the output of SCRIPT: sections that begin with a marked line. */
export function parseSystem(output: string): SystemInventory {
  const sections = new Map<string, string>()
  for (const section of output.split(MARK).slice(1)) {
    const [name = '', ...lines] = section.split('\n')
    sections.set(name, lines.join('\n').trim())
  }
  const text = (name: string) => {
    const value = sections.get(name)?.split('\n')[0]
    return value === undefined || value === '' ? undefined : oneLine(value, MAX_TEXT)
  }
  const programs = Object.keys(VERSION_COMMANDS).flatMap((name) => {
    const section = sections.get(name)
    if (section === undefined) return []
    return [[name, VERSION.exec(section.slice(0, 1000))?.[0].slice(0, MAX_TEXT) ?? 'unknown'] as const]
  })
  return {
    os: text('os'),
    architecture: text('architecture'),
    kernel: text('kernel'),
    programs: Object.fromEntries(programs),
  }
}

function parseNode(output: string): NodeAbilities | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(output)
  } catch {
    // A node that cannot say what it is: killed, or not node.
    return undefined
  }
  const [version, typescript, options] = Array.isArray(parsed) ? (parsed as unknown[]) : []
  return {
    version: oneLine(String(version).replace(/^v/, ''), MAX_TEXT),
    typescript: typescript === true,
    options: new Set(Array.isArray(options) ? options.map(String) : []),
  }
}
