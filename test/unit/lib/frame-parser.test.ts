import { describe, expect, test } from 'vitest'
import { MalformedBytes } from '../../../src/lib/byte-codec.ts'
import { FRAME_HEADER_BYTES, FrameParser } from '../../../src/lib/frame-parser.ts'
import { randomPieces, seededRandom } from '../../helpers/random.ts'

const MAX_LENGTH = 10_000

interface Frame {
  readonly type: number
  readonly channel: number
  readonly payload: Buffer
}

function bytesOf({ type, channel, payload }: Frame): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  header.writeUInt32LE(5 + payload.length, 0)
  header.writeUInt8(type, 4)
  header.writeUInt32LE(channel, 5)
  return Buffer.concat([header, payload])
}

function parseAll(pieces: readonly Buffer[]): Frame[] {
  const frames: Frame[] = []
  const parser = new FrameParser(MAX_LENGTH, (type, channel, payload) => frames.push({ type, channel, payload }))
  for (const piece of pieces) parser.push(piece)
  return frames
}

function randomFrames(random: () => number): Frame[] {
  return Array.from({ length: 1 + Math.floor(random() * 20) }, () => ({
    type: Math.floor(random() * 256),
    channel: Math.floor(random() * 2 ** 32),
    // Mostly small, some near the limit.
    payload: Buffer.alloc(Math.floor(random() ** 4 * (MAX_LENGTH - 5)), Math.floor(random() * 256)),
  }))
}

describe('frames come out as they went in', () => {
  test.each(Array.from({ length: 100 }, (_, seed) => seed))('however the stream is cut (seed %i)', (seed) => {
    const random = seededRandom(seed)
    const frames = randomFrames(random)
    const pieces = randomPieces(Buffer.concat(frames.map(bytesOf)), random, 1 + Math.floor(random() * 60))
    expect(parseAll(pieces)).toEqual(frames)
  })

  test('byte by byte', () => {
    const frames = [
      { type: 1, channel: 0, payload: Buffer.from('abc') },
      { type: 255, channel: 0xffff_ffff, payload: Buffer.alloc(0) },
      { type: 2, channel: 7, payload: Buffer.alloc(300, 9) },
    ]
    expect(parseAll(Array.from(Buffer.concat(frames.map(bytesOf)), (byte) => Buffer.from([byte])))).toEqual(frames)
  })

  test('ten thousand tiny ones in one piece', () => {
    const frames = Array.from({ length: 10_000 }, (_, index) => ({
      type: index % 256,
      channel: index,
      payload: Buffer.alloc(0),
    }))
    expect(parseAll([Buffer.concat(frames.map(bytesOf))])).toEqual(frames)
  })

  test('of exactly the largest length', () => {
    const frame = { type: 3, channel: 4, payload: Buffer.alloc(MAX_LENGTH - 5, 1) }
    const bytes = bytesOf(frame)
    expect(parseAll([bytes])).toEqual([frame])
    expect(parseAll([bytes.subarray(0, 100), bytes.subarray(100)])).toEqual([frame])
  })
})

describe('frames that are pieces of a stream', () => {
  const isStream = (type: number) => type % 2 === 1

  /** What each run of such frames of a channel gave in all, as one frame; the others as they are. */
  function joined(frames: readonly Frame[]): Frame[] {
    const all: Frame[] = []
    for (const frame of frames) {
      const last = all.at(-1)
      if (last && isStream(frame.type) && last.type === frame.type && last.channel === frame.channel) {
        all[all.length - 1] = { ...last, payload: Buffer.concat([last.payload, frame.payload]) }
      } else all.push(frame)
    }
    return all
  }

  test.each(Array.from({ length: 100 }, (_, seed) => seed))(
    'give their bytes in order among the others, however the stream is cut (seed %i)',
    (seed) => {
      const random = seededRandom(seed)
      const frames = randomFrames(random)
      const pieces = randomPieces(Buffer.concat(frames.map(bytesOf)), random, 1 + Math.floor(random() * 60))
      const seen: Frame[] = []
      const listener = (type: number, channel: number, payload: Buffer) => seen.push({ type, channel, payload })
      const parser = new FrameParser(MAX_LENGTH, listener, isStream)
      for (const piece of pieces) parser.push(piece)
      expect(joined(seen)).toEqual(joined(frames))
    },
  )

  test('are handed out as they come, as views, and never as nothing', () => {
    const seen: string[] = []
    const buffers = new Set<ArrayBufferLike>()
    const parser = new FrameParser(
      MAX_LENGTH,
      (_type, _channel, payload) => {
        seen.push(payload.toString())
        buffers.add(payload.buffer)
      },
      isStream,
    )
    const bytes = bytesOf({ type: 1, channel: 1, payload: Buffer.from('abcdef') })
    parser.push(bytes.subarray(0, FRAME_HEADER_BYTES))
    expect(seen).toEqual([])
    parser.push(bytes.subarray(FRAME_HEADER_BYTES, -2))
    expect(seen).toEqual(['abcd'])
    parser.push(bytes.subarray(-2))
    expect(seen).toEqual(['abcd', 'ef'])
    expect([...buffers]).toEqual([bytes.buffer])
  })

  test('are refused when they are too long before any of it is handed out', () => {
    const parser = new FrameParser(10, () => expect.fail('handed out'), isStream)
    const bytes = bytesOf({ type: 1, channel: 1, payload: Buffer.alloc(6) })
    expect(() => parser.push(bytes.subarray(0, FRAME_HEADER_BYTES))).toThrow(MalformedBytes)
  })
})

test('a frame within one piece is a view on it, not a copy', () => {
  const bytes = bytesOf({ type: 1, channel: 1, payload: Buffer.from('abc') })
  expect(parseAll([bytes])[0]?.payload.buffer).toBe(bytes.buffer)
})

test('an incomplete frame is not handed out', () => {
  const bytes = bytesOf({ type: 1, channel: 1, payload: Buffer.from('abc') })
  expect(parseAll([bytes.subarray(0, -1)])).toEqual([])
})

describe('a declared length is refused as soon as it is known', () => {
  const declared = (length: number) => {
    const header = Buffer.alloc(4)
    header.writeUInt32LE(length, 0)
    return header
  }

  test.each([0, 4, MAX_LENGTH + 1, 0xffff_ffff])('%i', (length) => {
    expect(() => parseAll([declared(length)])).toThrow(MalformedBytes)
    expect(() => parseAll([declared(length).subarray(0, 3), declared(length).subarray(3)])).toThrow(MalformedBytes)
  })

  test('also after good frames', () => {
    const seen: number[] = []
    const parser = new FrameParser(MAX_LENGTH, (type) => seen.push(type))
    const good = bytesOf({ type: 9, channel: 1, payload: Buffer.alloc(2) })
    expect(() => parser.push(Buffer.concat([good, declared(MAX_LENGTH + 1)]))).toThrow(MalformedBytes)
    expect(seen).toEqual([9])
  })
})
