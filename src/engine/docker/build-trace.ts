import { BadReplyError } from './translate-error.ts'

/** The id of the progress lines that hold a BuildKit status. */
export const TRACE_ID = 'moby.buildkit.trace'

/** What has happened in a build since the line before. */
export interface BuildTrace {
  /** Vertexes whose state changed: "[2/7] RUN make", "[internal] load build context". The same one comes several times. */
  readonly vertexes: readonly { readonly name: string; readonly started: boolean; readonly error: string }[]
  /** Output of the steps, in order. */
  readonly output: string
}

/** Field numbers of moby.buildkit.v1.StatusResponse (github.com/moby/buildkit, api/services/control/control.proto). */
const STATUS = { vertexes: 1, logs: 3 } as const
const VERTEX = { name: 3, started: 5, error: 7 } as const
const LOG = { message: 4 } as const

/** Decodes the `aux` of a trace line: a StatusResponse in base64. Fields of no interest are passed over. */
export function readTrace(aux: string): BuildTrace {
  const status = readMessage(Buffer.from(aux, 'base64'))
  return {
    vertexes: all(status, STATUS.vertexes).map((bytes) => {
      const vertex = readMessage(bytes)
      return {
        name: text(vertex, VERTEX.name),
        started: all(vertex, VERTEX.started).length > 0,
        error: text(vertex, VERTEX.error),
      }
    }),
    output: Buffer.concat(all(status, STATUS.logs).flatMap((bytes) => all(readMessage(bytes), LOG.message))).toString(),
  }
}

type Message = readonly { readonly field: number; readonly bytes: Buffer }[]

function all(message: Message, field: number): Buffer[] {
  return message.filter((each) => each.field === field).map(({ bytes }) => bytes)
}

function text(message: Message, field: number): string {
  return all(message, field).at(-1)?.toString() ?? ''
}

/** The length-delimited fields of one message; others are only measured (protobuf.dev/programming-guides/encoding). */
function readMessage(buffer: Buffer): Message {
  const fields: { field: number; bytes: Buffer }[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; at < buffer.length && scale <= 2 ** 63; scale *= 128) {
      const byte = buffer.readUInt8(at++)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw new BadReplyError('a build status is cut short')
  }
  const take = (length: number): Buffer => {
    if (length > buffer.length - at) throw new BadReplyError('a build status is cut short')
    at += length
    return buffer.subarray(at - length, at)
  }
  while (at < buffer.length) {
    const key = varint()
    const field = Math.floor(key / 8)
    switch (key % 8) {
      case 0:
        varint()
        break
      case 1:
        take(8)
        break
      case 2:
        fields.push({ field, bytes: take(varint()) })
        break
      case 5:
        take(4)
        break
      default:
        throw new BadReplyError('a build status has a field of an unknown kind')
    }
  }
  return fields
}
