import { posix } from 'node:path'
import type { PackageSupply } from '../../src/sandbox/packages.ts'
import { Sandbox } from '../../src/sandbox/sandbox.ts'
import { AMPLE_SPACE, type Space } from '../../src/sandbox/space.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import type { SandboxFacts } from '../../src/sandbox/facts.ts'
import type { SupervisorClient } from '../../src/supervisor/client.ts'
import type { ListRequest, OutputRequest, StartRequest } from '../../src/supervisor/encode.ts'
import { TEST_FACTS } from './scripted-link.ts'
import { WireError } from '../../src/supervisor/errors.ts'
import type {
  CommandInfo,
  CommandOutput,
  CommandResult,
  CommandSummary,
  DirectoryEntry,
  DiskUsage,
  EntryPage,
  FileInfo,
  FileLines,
  SupervisorInfo,
} from '../../src/supervisor/protocol.ts'
import type { WriteOptions } from '../../src/supervisor/write-stream.ts'

export const WORKSPACE = '/workspace'

/** A supply that has nothing: what it is asked for is a fault of the test. */
export const noPackages: PackageSupply = { fetch: () => Promise.reject(new Error('no packages in this test')) }

/** As DATA frames bring them. */
const PIECE_BYTES = 64 * 1024
const MTIME_MS = Date.UTC(2026, 0, 2, 3, 4, 5)

const FACTS: SandboxFacts = {
  ...TEST_FACTS,
  env: {},
  packages: [{ manager: 'pip', packages: ['numpy', 'pandas'] }],
}

const SUMMARY: CommandSummary = {
  id: 'abc-1',
  status: 'exited',
  exitCode: 0,
  signal: undefined,
  stdinOpen: false,
  leftRunning: false,
  stdoutSpooled: false,
  stderrSpooled: false,
  startedAtMs: 1_700_000_000_000,
  durationUs: 1_200_000,
  cpuUs: 3000,
  maxRssBytes: 4096,
  totalStdout: 0,
  totalStderr: 0,
}

/** What a scripted command printed, and how it stands. */
export interface Scripted extends Partial<CommandSummary> {
  readonly stdout?: string | Buffer
  readonly stderr?: string | Buffer
}

/**
 * The supervisor's requests over memory: files in a map, one scripted command. It keeps the wire's promises (head and tail, pages,
 * error names), so that what tools make of them can be tested without a process.
 */
export class FakeSupervisor {
  readonly connection = { hello: { bootId: Buffer.alloc(16, 1) } }
  readonly files = new Map<string, { data: Buffer; executable: boolean }>()
  readonly directories = new Set<string>([WORKSPACE])
  readonly started: StartRequest[] = []
  readonly signalled: { signal: number; allDescendants: boolean }[] = []
  readonly listed: ListRequest[] = []
  /** Entries of one page at most. */
  pageEntries = 1000
  typed = ''
  closedStdin = false
  /** Entries that a listing gives, whatever is asked for, instead of the files and directories that are there. */
  entries: EntryPage | undefined
  /** Called when a file is about to be read. */
  onRead: ((path: string) => void) | undefined
  /** Thrown by the next write to a path that ends like this. */
  failWriteOf: { suffix: string; error: Error } | undefined
  /** Thrown by every rename to a path that ends like this. */
  failRenameTo: { suffix: string; error: Error } | undefined
  /** What a command does, by its request, instead of the script. An error is what its start rejects with. */
  onStart: ((request: StartRequest) => Scripted | Error) | undefined
  state: SupervisorInfo = {
    uptimeMs: 90_000,
    idleMs: 0,
    running: 0,
    retained: 0,
    connections: 1,
    memoryBytes: 12 * 1024 ** 2,
    memoryLimitBytes: 512 * 1024 ** 2,
    oomKills: 0,
  }
  #script: Scripted = {}

  /** What the next command does. */
  script(script: Scripted): void {
    this.#script = script
  }

  /** Room on its disk. */
  space: Space = AMPLE_SPACE
  /** Where packages come from. */
  supply: PackageSupply = noPackages

  sandbox(facts: Partial<SandboxFacts> = {}): Sandbox {
    const client = this as unknown as SupervisorClient
    const link = { client: () => Promise.resolve(client), afterEviction: () => Promise.resolve(client) }
    return new Sandbox(link, { ...FACTS, ...facts }, this.supply, silentLogger, this.space)
  }

  put(path: string, content: string | Buffer): void {
    const absolute = posix.resolve(WORKSPACE, path)
    this.#makeDirectories(posix.dirname(absolute))
    this.files.set(absolute, { data: Buffer.from(content), executable: false })
  }

  text(path: string): string | undefined {
    return this.files.get(posix.resolve(WORKSPACE, path))?.data.toString()
  }

  // The methods of SupervisorClient that tools reach.

  info(): Promise<SupervisorInfo> {
    return Promise.resolve(this.state)
  }

  /** What is told of any directory; undefined: as a supervisor from before the request. */
  disk: DiskUsage | undefined = {
    bytes: 8192,
    entries: 2,
    stopped: undefined,
    unseen: undefined,
    fsBytes: 2 * 1024 ** 2,
    fsFreeBytes: 1024 ** 2,
    fsInodes: 1000,
    fsFreeInodes: 900,
  }

  usage(_path: string, { maxEntries }: { maxEntries: number }): Promise<DiskUsage | undefined> {
    return Promise.resolve(
      this.disk && maxEntries > 0 ? this.disk : this.disk && { ...this.disk, bytes: 0, entries: 0 },
    )
  }

  start(request: StartRequest): Promise<CommandResult> {
    this.started.push(request)
    const script = this.onStart?.(request)
    if (script instanceof Error) return Promise.reject(script)
    if (script) this.#script = script
    return Promise.resolve(this.#result(request.head, request.tail))
  }

  wait(_ref: unknown, { head, tail }: { head: number; tail: number }): Promise<CommandResult> {
    return Promise.resolve(this.#result(head, tail))
  }

  output(ref: unknown, request: OutputRequest): Promise<CommandOutput> {
    const { summary, stdout, stderr } = this.#state()
    if (ref !== summary.id && typeof ref === 'string') return Promise.reject(new WireError('no_command', 0))
    return Promise.resolve({
      summary,
      stdout: page(request.stdout ? stdout : Buffer.alloc(0), request.sinceStdout, request),
      stderr: page(request.stderr ? stderr : Buffer.alloc(0), request.sinceStderr, request),
    })
  }

  signal(_ref: unknown, signal: number, allDescendants: boolean): Promise<void> {
    this.signalled.push({ signal, allDescendants })
    return Promise.resolve()
  }

  stdin(_ref: unknown, data: Uint8Array, close: boolean): Promise<number> {
    this.closedStdin ||= close
    this.typed += Buffer.from(data).toString()
    return Promise.resolve(0)
  }

  cancel(): Promise<void> {
    this.#script = { ...this.#script, status: 'cancelled' }
    return Promise.resolve()
  }

  commands(): Promise<CommandInfo[]> {
    const { summary } = this.#state()
    return Promise.resolve(this.#script.id === undefined ? [] : [{ ...summary, command: 'make\nall' }])
  }

  stat(path: string): Promise<FileInfo & { target: Buffer }> {
    const target = Buffer.alloc(0)
    if (this.directories.has(path) || path === '/' || path === '/tmp')
      return Promise.resolve({ ...entryOf(path, { type: 'directory' }), target })
    return Promise.resolve().then(() => ({ ...this.#info(path), target }))
  }

  readLines(path: string, range: { first: number; maxLines: number; maxLineBytes: number }): Promise<FileLines> {
    return Promise.resolve().then(() => {
      const data = this.#file(path).data
      const lines = data.toString('latin1').split('\n')
      if (lines.at(-1) === '') lines.pop()
      const first = range.first > 0 ? range.first : Math.max(1, lines.length + range.first + 1)
      return {
        file: this.#info(path),
        binary: data.subarray(0, 8192).includes(0),
        stoppedAtMaxBytes: false,
        endsWithoutNewline: data.length > 0 && data.at(-1) !== 0x0a,
        firstLine: first,
        totalLines: lines.length,
        lines: lines.slice(first - 1, first - 1 + range.maxLines).map((line) => ({
          fullLength: line.length,
          kept: Buffer.from(line, 'latin1').subarray(0, range.maxLineBytes),
        })),
      }
    })
  }

  async read(
    path: string,
    range: { offset: number; length: number },
    onData: (data: Buffer) => void | Promise<void>,
  ): Promise<FileInfo> {
    const { data } = await Promise.resolve().then(() => {
      this.onRead?.(path)
      return this.#file(path)
    })
    const info = this.#info(path)
    const end = Math.min(data.length, range.length === 0 ? data.length : range.offset + range.length)
    for (let at = range.offset; at < end; at += PIECE_BYTES)
      await onData(data.subarray(at, Math.min(end, at + PIECE_BYTES)))
    return info
  }

  async write(path: string, data: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions) {
    const before = this.files.get(path)
    if (before && options.mode === 'create') throw new WireError('exists', 17)
    if (options.ifVersion !== undefined && before && options.ifVersion !== versionOf(before.data)) {
      throw new WireError('stale_version', 0)
    }
    const pieces: Uint8Array[] = []
    if (data instanceof Uint8Array) pieces.push(data)
    else for await (const piece of data) pieces.push(Buffer.from(piece))
    if (this.failWriteOf && path.endsWith(this.failWriteOf.suffix)) throw this.failWriteOf.error
    const old = options.mode === 'append' && before ? [before.data] : []
    if (options.createParents) this.#makeDirectories(posix.dirname(path))
    this.files.set(path, { data: Buffer.concat([...old, ...pieces]), executable: options.executable ?? false })
    return { ...this.#info(path), created: before === undefined }
  }

  mkdir(path: string): Promise<boolean> {
    const isNew = !this.directories.has(path)
    this.#makeDirectories(path)
    return Promise.resolve(isNew)
  }

  remove(path: string, recursive = false): Promise<void> {
    if (recursive && this.directories.delete(path)) {
      for (const each of this.#below(path)) {
        this.files.delete(each)
        this.directories.delete(each)
      }
      return Promise.resolve()
    }
    return this.files.delete(path) ? Promise.resolve() : Promise.reject(new WireError('not_found', 2))
  }

  rename(from: string, to: string, noReplace: boolean): Promise<void> {
    const isThere = this.files.has(to) || this.directories.has(to)
    if (this.failRenameTo !== undefined && to.endsWith(this.failRenameTo.suffix)) {
      return Promise.reject(this.failRenameTo.error)
    }
    if (isThere && noReplace) return Promise.reject(new WireError('exists', 17))
    const file = this.files.get(from)
    if (!file && !this.directories.has(from)) return Promise.reject(new WireError('not_found', 2))
    for (const each of [from, ...this.#below(from)]) {
      const there = to + each.slice(from.length)
      const moved = this.files.get(each)
      if (moved) this.files.set(there, moved)
      else this.directories.add(there)
      this.files.delete(each)
      this.directories.delete(each)
    }
    return Promise.resolve()
  }

  list(request: ListRequest): Promise<EntryPage> {
    this.listed.push(request)
    return Promise.resolve().then(() => this.entries ?? this.#page(request))
  }

  /** In the order of the paths' bytes; only what pages need of a request is looked at. */
  #page({ path, skip, limit, depth }: ListRequest): EntryPage {
    const parent = this.directories.has(path) ? path : posix.dirname(path)
    const listed = parent === path ? this.#below(path) : [this.#file(path) && path]
    const entries = listed
      .map((each) => {
        const file = this.files.get(each)
        const name = each.slice(parent.length + 1)
        if (!file) return entryOf(name, { type: 'directory', mode: 0o755, sizeBytes: 0 })
        return entryOf(name, { ...this.#info(each), mode: file.executable ? 0o755 : 0o644, mtimeMs: MTIME_MS })
      })
      .filter((entry) => entry.path.toString().split('/').length <= depth)
      .sort((a, b) => a.path.compare(b.path))
    const page = entries.slice(skip, skip + Math.min(limit, this.pageEntries))
    return { total: entries.length, capped: false, more: skip + page.length < entries.length, entries: page }
  }

  #makeDirectories(path: string): void {
    if (this.files.has(path)) throw new WireError('not_a_directory', 20)
    // What every sandbox has is not among the directories that tests look at.
    if (path === '/' || path === '/tmp') return
    this.#makeDirectories(posix.dirname(path))
    this.directories.add(path)
  }

  #below(path: string): string[] {
    return [...this.files.keys(), ...this.directories].filter((each) => each.startsWith(`${path}/`))
  }

  #file(path: string) {
    if (this.directories.has(path)) throw new WireError('is_directory', 21)
    const file = this.files.get(path)
    if (!file) throw new WireError('not_found', 2)
    return file
  }

  #info(path: string): FileInfo {
    const { data } = this.#file(path)
    return { type: 'file', mode: 0o644, sizeBytes: data.length, mtimeMs: 0, version: versionOf(data) }
  }

  #state() {
    const { stdout = '', stderr = '', ...rest } = this.#script
    const [out, err] = [Buffer.from(stdout), Buffer.from(stderr)]
    return {
      summary: { ...SUMMARY, totalStdout: out.length, totalStderr: err.length, ...rest },
      stdout: out,
      stderr: err,
    }
  }

  #result(head: number, tail: number): CommandResult {
    const { summary, stdout, stderr } = this.#state()
    return { summary, stdout: captured(stdout, head, tail), stderr: captured(stderr, head, tail) }
  }
}

/** An entry of a listing. */
export function entryOf(path: string | Buffer, extra: Partial<DirectoryEntry> = {}): DirectoryEntry {
  return {
    type: 'file',
    mode: 0o644,
    sizeBytes: 10,
    mtimeMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    version: 1n,
    folded: 0,
    path: Buffer.from(path),
    target: Buffer.alloc(0),
    ...extra,
  }
}

function captured(data: Buffer, head: number, tail: number) {
  if (data.length <= head + tail) return { head: data, tail: Buffer.alloc(0) }
  return { head: data.subarray(0, head), tail: data.subarray(data.length - tail) }
}

function page(data: Buffer, since: number, { fromEnd, maxBytes }: OutputRequest) {
  const first = fromEnd ? Math.max(0, data.length - since) : Math.min(since, data.length)
  const piece = data.subarray(first, first + maxBytes)
  return { first, next: first + piece.length, data: piece }
}

function versionOf(data: Buffer): bigint {
  return BigInt(data.length) + 1000n
}
