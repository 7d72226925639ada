import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { BadFrameError, Demuxer } from '../../../../src/engine/docker/demux.ts'

function frame(stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt8(stream, 0)
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

function collect() {
  const out: Record<'stdout' | 'stderr' | 'system', Buffer[]> = { stdout: [], stderr: [], system: [] }
  const demuxer = new Demuxer({
    stdout: (piece) => out.stdout.push(piece),
    stderr: (piece) => out.stderr.push(piece),
    system: (piece) => out.system.push(piece),
  })
  return { demuxer, out, text: (name: keyof typeof out) => Buffer.concat(out[name]).toString('latin1') }
}

/** Small, repeatable random numbers (mulberry32). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

describe('the demultiplexer', () => {
  test.each(Array.from({ length: 50 }, (_, seed) => seed))(
    'puts random frames together again from random pieces (seed %i)',
    (seed) => {
      const random = randomNumbers(seed)
      const sent: Record<number, Buffer[]> = { 1: [], 2: [], 3: [] }
      const frames = Array.from({ length: 1 + random(60) }, () => {
        const stream = 1 + random(3)
        const payload = randomBytes(random(4) === 0 ? random(3) : random(5000))
        sent[stream]?.push(payload)
        return frame(stream, payload)
      })
      const bytes = Buffer.concat(frames)
      const { demuxer, text } = collect()
      for (let at = 0; at < bytes.length;) {
        const size = 1 + random(random(3) === 0 ? 4 : 3000)
        demuxer.push(bytes.subarray(at, at + size))
        at += size
      }
      expect(demuxer.atBoundary).toBe(true)
      expect(text('stdout')).toBe(Buffer.concat(sent[1] ?? []).toString('latin1'))
      expect(text('stderr')).toBe(Buffer.concat(sent[2] ?? []).toString('latin1'))
      expect(text('system')).toBe(Buffer.concat(sent[3] ?? []).toString('latin1'))
    },
  )

  test('hands out views on the chunk, without a copy', () => {
    const { demuxer, out } = collect()
    const chunk = frame(1, Buffer.from('hello'))
    demuxer.push(chunk)
    expect(out.stdout[0]?.buffer).toBe(chunk.buffer)
    expect(out.stdout[0]?.byteOffset).toBe(chunk.byteOffset + 8)
  })

  test('hands out the beginning of a frame before its end is there', () => {
    const { demuxer, text } = collect()
    demuxer.push(frame(1, Buffer.from('hello')).subarray(0, 10))
    expect(text('stdout')).toBe('he')
    expect(demuxer.atBoundary).toBe(false)
  })

  test('knows that an end inside a header is no boundary', () => {
    const { demuxer } = collect()
    demuxer.push(frame(1, Buffer.from('x')))
    expect(demuxer.atBoundary).toBe(true)
    demuxer.push(Buffer.from([1, 0, 0]))
    expect(demuxer.atBoundary).toBe(false)
  })

  test('takes 500,000 one-byte frames in one chunk without a deep stack', () => {
    const pair = Buffer.concat([frame(1, Buffer.from('o')), frame(2, Buffer.from('e'))])
    const chunk = Buffer.concat(Array.from({ length: 250_000 }, () => pair))
    let stdoutBytes = 0
    let stderrBytes = 0
    const demuxer = new Demuxer({
      stdout: (piece) => (stdoutBytes += piece.length),
      stderr: (piece) => (stderrBytes += piece.length),
      system: () => undefined,
    })
    demuxer.push(chunk)
    expect([stdoutBytes, stderrBytes]).toEqual([250_000, 250_000])
  })

  test('takes empty frames', () => {
    const { demuxer, text } = collect()
    demuxer.push(Buffer.concat([frame(1, Buffer.alloc(0)), frame(2, Buffer.alloc(0)), frame(1, Buffer.from('x'))]))
    expect(text('stdout')).toBe('x')
  })

  test.each([
    ['a stream that is not known', Buffer.from([4, 0, 0, 0, 0, 0, 0, 1])],
    ['stdin, which no engine sends', Buffer.from([0, 0, 0, 0, 0, 0, 0, 1])],
    ['padding that is not zero', Buffer.from([1, 0, 1, 0, 0, 0, 0, 1])],
    ['a length over the cap', Buffer.from([1, 0, 0, 0, 1, 0, 0, 1])],
    ['text', Buffer.from('HTTP/1.1 500')],
  ])('refuses %s', (_, bytes) => {
    const { demuxer, out } = collect()
    expect(() => demuxer.push(bytes)).toThrow(BadFrameError)
    expect(out.stdout).toEqual([])
  })
})
