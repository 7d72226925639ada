import { ByteReader } from '../../src/lib/byte-codec.ts'
import { FrameParser } from '../../src/lib/frame-parser.ts'
import type { ContainerStream } from '../../src/engine/engine.ts'
import { SupervisorClient } from '../../src/supervisor/client.ts'
import { Connection } from '../../src/supervisor/connection.ts'
import { FRAME_MAX_LENGTH, FrameType } from '../../src/supervisor/protocol.ts'
import { memoryStream, type ProgramEnd } from './memory-stream.ts'
import { reply } from './supervisor-frames.ts'

/** A frame that the host sent. */
export interface HostFrame {
  readonly type: number
  readonly channel: number
  readonly payload: Buffer
}

/**
 * The supervisor's end of a stream under the control of a test: it records what the host sends, and says only what the test, or its
 * `answer`, tells it to.
 */
export class ScriptedSupervisor {
  readonly received: HostFrame[] = []
  /** Called with each frame of the host; the bytes that it gives are sent. */
  answer: ((frame: HostFrame) => Buffer | undefined) | undefined
  readonly program: ProgramEnd
  isClosed = false
  /** True: a PING is answered without the test, as a supervisor does whatever else it waits for. */
  answersPings = false
  readonly #changed = new Set<() => void>()
  /** Frames up to here were handed out by next(). */
  readonly #taken = new Set<HostFrame>()

  constructor(program: ProgramEnd) {
    this.program = program
    const parser = new FrameParser(FRAME_MAX_LENGTH, (type, channel, payload) => {
      // The payload may be a view on a buffer that is used again.
      const received = { type, channel, payload: Buffer.from(payload) }
      this.received.push(received)
      const answered = this.answer?.(received) ?? this.#pong(received)
      if (answered) void this.send(answered)
      this.#tell()
    })
    program.onStdin((data) => parser.push(data))
    program.onClose(() => {
      this.isClosed = true
      this.#tell()
    })
  }

  send(...frames: readonly Buffer[]): Promise<void> {
    return this.program.stdout(Buffer.concat(frames))
  }

  /** The next frame of this type that was not asked for yet; waits for it. */
  async next(type: FrameType): Promise<HostFrame> {
    const isNext = (each: HostFrame) => each.type === type && !this.#taken.has(each)
    await this.until(() => this.received.some(isNext))
    const found = this.received.find(isNext)
    if (!found) throw new Error('no such frame')
    this.#taken.add(found)
    return found
  }

  count(type: FrameType): number {
    return this.received.filter((each) => each.type === type).length
  }

  /** Resolves when the condition holds; it is looked at after each frame and when the stream closes. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const listener = () => {
          this.#changed.delete(listener)
          resolve()
        }
        this.#changed.add(listener)
      })
    }
  }

  closed(): Promise<void> {
    return this.until(() => this.isClosed)
  }

  #pong({ type, channel }: HostFrame): Buffer | undefined {
    return type === FrameType.ping && this.answersPings ? reply.ok(channel) : undefined
  }

  #tell(): void {
    for (const listener of this.#changed) listener()
  }
}

export interface ScriptedPair {
  readonly supervisor: ScriptedSupervisor
  readonly connection: Connection
  readonly client: SupervisorClient
  readonly host: ContainerStream
}

/** An open connection to a scripted supervisor. */
export async function openScripted(bootId?: Buffer, build = 'test'): Promise<ScriptedPair> {
  const { host, program } = memoryStream()
  const supervisor = new ScriptedSupervisor(program)
  void supervisor.send(reply.hello({ build, ...(bootId && { bootId }) }))
  const connection = await Connection.open(host)
  return { supervisor, connection, client: new SupervisorClient(connection), host }
}

/** The fields of a frame's payload. */
export function fieldsOf(received: HostFrame): ByteReader {
  return new ByteReader(received.payload)
}
