import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ProgressBeats, type ProgressNote } from '../../../src/mcp/progress.ts'

describe('progress', () => {
  let sent: ProgressNote[]
  let beats: ProgressBeats

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    sent = []
    beats = new ProgressBeats((note) => sent.push(note))
  })

  afterEach(() => {
    beats.stop()
    vi.useRealTimers()
  })

  test('beats at once, then every few seconds, with a growing number', () => {
    expect(sent).toEqual([{ progress: 1, message: '0 ms' }])
    vi.advanceTimersByTime(9000)
    expect(sent.map(({ progress }) => progress)).toEqual([1, 2, 3, 4])
    expect(sent.at(-1)?.message).toBe('9 s')
  })

  test('tells the newest line', () => {
    vi.advanceTimersByTime(1000)
    beats.note('compiling a.c')
    expect(sent.at(-1)).toEqual({ progress: 2, message: '1 s · compiling a.c' })
    vi.advanceTimersByTime(3000)
    expect(sent.at(-1)).toEqual({ progress: 3, message: '4 s · compiling a.c' })
  })

  test('a flood of lines is kept for the next beat', () => {
    for (let line = 0; line < 1000; line++) beats.note(`line ${line}`)
    expect(sent).toHaveLength(1)
    vi.advanceTimersByTime(3000)
    expect(sent.at(-1)?.message).toBe('3 s · line 999')
  })

  test('a hostile line is one line, bounded', () => {
    vi.advanceTimersByTime(2000)
    beats.note(`\x1b[31m${'x'.repeat(5000)}\n`)
    expect(sent.at(-1)?.message).not.toMatch(/[\x1b\n]/)
    expect(sent.at(-1)?.message.length).toBeLessThan(250)
  })

  test('ends when it is stopped', () => {
    beats.stop()
    vi.advanceTimersByTime(60_000)
    expect(sent).toHaveLength(1)
  })
})
