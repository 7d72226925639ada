import { withinBudget, withinLimit, withinPage, withinRange } from './bounds.ts'
import { decode } from './decode.ts'
import { type CommandRef, encode, type ListRequest, type OutputRequest, type StartRequest } from './encode.ts'
import { type Connection, type RequestOptions } from './connection.ts'
import { WireError } from './errors.ts'
import {
  type AddedRequest,
  type CommandInfo,
  type CommandOutput,
  type CommandResult,
  type DiskUsage,
  type EntryPage,
  type FileInfo,
  type FileLines,
  FrameType,
  type SupervisorInfo,
} from './protocol.ts'
import { type ReadRange, readFileStream } from './read-stream.ts'
import { type WriteOptions, writeFile } from './write-stream.ts'

/** Added to a request's own waiting time before silence counts as a dead connection, in milliseconds. */
const WAIT_MARGIN_MS = 20_000

export type StatResult = FileInfo & { readonly target: Buffer }
export type WriteResult = FileInfo & { readonly created: boolean }

/**
 * The supervisor's requests as methods, one each. All reject with WireError, ConnectionLost or the abort reason; what each does is
 * in supervisor/PROTOCOL.md.
 */
export class SupervisorClient {
  readonly connection: Connection
  /** False once the supervisor has refused a private command: it is of a version that knows none. */
  #knowsPrivate = true

  constructor(connection: Connection) {
    this.connection = connection
  }

  async ping(options?: RequestOptions): Promise<void> {
    await this.connection.request(encode.ping, FrameType.ok, decode.ok, options)
  }

  info(options?: RequestOptions): Promise<SupervisorInfo> {
    return this.connection.request(encode.info, FrameType.infoReply, decode.info, options)
  }

  /** Asks for a hold of `holdMs` on all use, granted only if the sandbox was idle for `minIdleMs`. */
  quiesce(minIdleMs: number, holdMs: number, options?: RequestOptions): Promise<{ ok: boolean; idleMs: number }> {
    return this.connection.request(
      (channel) => encode.quiesce(channel, minIdleMs, holdMs),
      FrameType.quiesced,
      decode.quiesced,
      options,
    )
  }

  async killAll(options?: RequestOptions): Promise<void> {
    await this.connection.request(encode.killAll, FrameType.ok, decode.ok, options)
  }

  /** True when the supervisor says that it knows the request: one from before an update of the server does not. */
  knows(request: AddedRequest): boolean {
    return this.connection.hello.build.split('+').indexOf(request, 1) > 0
  }

  /**
   * Takes a sandbox that has no user yet. Resolves to true for one server and one call only: every other gets false, also where the supervisor
   * does not know the request. After ConnectionLost it may have been taken for nobody.
   */
  async claim(options?: RequestOptions): Promise<boolean> {
    if (!this.knows('claim')) return false
    return (await this.connection.request(encode.claim, FrameType.ok, decode.ok, options)) === 1
  }

  /**
   * What the files below the directory take up; with `maxEntries` 0 only how full its file system is. Keeps no other request waiting and is no
   * use of the sandbox. undefined where the supervisor does not know the request.
   */
  async usage(
    path: string,
    bounds: { readonly maxEntries: number; readonly maxMs: number },
    options?: RequestOptions,
  ): Promise<DiskUsage | undefined> {
    if (!this.knows('usage')) return undefined
    return await this.connection.request(
      (channel) => encode.usage(channel, path, bounds.maxEntries, bounds.maxMs),
      FrameType.usageReply,
      decode.usage,
      waiting(bounds.maxMs, options),
    )
  }

  /**
   * Starts a command and waits for its end, or `waitMs`. Repeating it with the same key finds the first. The signal only stops
   * the waiting: use cancel() to end the command. A supervisor that knows no private commands, in a sandbox from before an update of
   * the server, runs them as ordinary ones.
   */
  async start(request: StartRequest, options?: RequestOptions): Promise<CommandResult> {
    if (!request.private) return this.#start(request, options)
    if (this.#knowsPrivate) {
      try {
        return await this.#start(request, options)
      } catch (error) {
        // It refused before it started anything.
        if (!(error instanceof WireError && error.code === 'invalid')) throw error
        this.#knowsPrivate = false
      }
    }
    return this.#start({ ...request, private: false }, options)
  }

  #start(request: StartRequest, options?: RequestOptions): Promise<CommandResult> {
    return this.connection.request(
      (channel) => encode.start(channel, request),
      FrameType.result,
      (reader) => withinBudget(decode.result(reader), request),
      waiting(request.waitMs, options),
    )
  }

  wait(
    ref: CommandRef,
    budget: { waitMs: number; head: number; tail: number },
    options?: RequestOptions,
  ): Promise<CommandResult> {
    return this.connection.request(
      (channel) => encode.wait(channel, ref, budget.waitMs, budget.head, budget.tail),
      FrameType.result,
      (reader) => withinBudget(decode.result(reader), budget),
      waiting(budget.waitMs, options),
    )
  }

  output(ref: CommandRef, request: OutputRequest, options?: RequestOptions): Promise<CommandOutput> {
    return this.connection.request(
      (channel) => encode.output(channel, ref, request),
      FrameType.outputReply,
      (reader) => withinPage(decode.output(reader), request.maxBytes),
      waiting(request.waitMs, options),
    )
  }

  async signal(ref: CommandRef, signal: number, allDescendants: boolean, options?: RequestOptions): Promise<void> {
    await this.connection.request(
      (channel) => encode.signal(channel, ref, signal, allDescendants),
      FrameType.ok,
      decode.ok,
      options,
    )
  }

  /** Resolves to the bytes that are still queued in the supervisor. */
  stdin(ref: CommandRef, data: Uint8Array, close: boolean, options?: RequestOptions): Promise<number> {
    return this.connection.request(
      (channel) => encode.stdin(channel, ref, data, close),
      FrameType.ok,
      decode.ok,
      options,
    )
  }

  async cancel(ref: CommandRef, graceMs: number, options?: RequestOptions): Promise<void> {
    await this.connection.request((channel) => encode.cancel(channel, ref, graceMs), FrameType.ok, decode.ok, options)
  }

  commands(options?: RequestOptions): Promise<CommandInfo[]> {
    return this.connection.request(encode.commands, FrameType.commandsReply, decode.commands, options)
  }

  stat(path: string, follow: boolean, options?: RequestOptions): Promise<StatResult> {
    return this.connection.request(
      (channel) => encode.stat(channel, path, follow),
      FrameType.statReply,
      decode.stat,
      options,
    )
  }

  readLines(
    path: string,
    range: { first: number; maxLines: number; maxBytes: number; maxLineBytes: number },
    options?: RequestOptions,
  ): Promise<FileLines> {
    return this.connection.request(
      (channel) => encode.readLines(channel, path, range),
      FrameType.lines,
      (reader) => withinRange(decode.lines(reader), range),
      options,
    )
  }

  /** Streams a file with back-pressure; ends with what the file is. */
  read(path: string, range: ReadRange, onData: (data: Buffer) => void | Promise<void>, options?: RequestOptions) {
    return readFileStream(this.connection, path, range, onData, options)
  }

  /** Writes a file atomically from one buffer or a stream of them. */
  write(
    path: string,
    data: Uint8Array | AsyncIterable<Uint8Array>,
    write: WriteOptions,
    options?: RequestOptions,
  ): Promise<WriteResult> {
    return writeFile(this.connection, path, data, write, options)
  }

  /** Resolves to true when it was created, false when it was there. */
  async mkdir(path: string, mode: number, parents: boolean, options?: RequestOptions): Promise<boolean> {
    const value = await this.connection.request(
      (channel) => encode.mkdir(channel, path, mode, parents),
      FrameType.ok,
      decode.ok,
      options,
    )
    return value === 1
  }

  async remove(path: string, recursive: boolean, options?: RequestOptions): Promise<void> {
    await this.connection.request(
      (channel) => encode.remove(channel, path, recursive),
      FrameType.ok,
      decode.ok,
      options,
    )
  }

  async rename(from: string, to: string, noReplace: boolean, options?: RequestOptions): Promise<void> {
    await this.connection.request(
      (channel) => encode.rename(channel, from, to, noReplace),
      FrameType.ok,
      decode.ok,
      options,
    )
  }

  list(request: ListRequest, options?: RequestOptions): Promise<EntryPage> {
    return this.connection.request(
      (channel) => encode.list(channel, request),
      FrameType.entries,
      (reader) => withinLimit(decode.entries(reader), request.limit),
      options,
    )
  }
}

function waiting(waitMs: number, options: RequestOptions = {}): RequestOptions {
  return { deadlineMs: waitMs + WAIT_MARGIN_MS, ...options }
}
