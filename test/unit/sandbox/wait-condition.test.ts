import { describe, expect, test } from 'vitest'
import { hasListener, OutputSearch, parseCondition } from '../../../src/sandbox/wait-condition.ts'

function found(until: string, text: string): boolean {
  const condition = parseCondition(until)
  if (condition.kind !== 'output') throw new Error('not a text')
  return condition.found(text)
}

describe('a condition', () => {
  test.each([
    ['a text', 'a text here', true],
    ['a.text', 'a text here', false],
    ['/a.text/', 'a text here', true],
    ['/^ready$/', 'not yet\nready\n', true],
    ['/READY/', 'ready', false],
    ['/READY/i', 'ready', true],
    ['/a/b/', 'a/b', true],
    ['/', 'a/b', true],
    ['port:', 'port: 80', true],
    ['port:80x', 'port:80x', true],
  ])('%j on %j: %s', (until, text, expected) => expect(found(until, text)).toBe(expected))

  test.each([
    ['port:1', 1],
    ['port:8080', 8080],
    ['port:65535', 65_535],
  ])('%s is a port', (until, port) => expect(parseCondition(until)).toEqual({ kind: 'port', port }))

  test.each([
    ['', '1 to 500'],
    ['x'.repeat(501), '1 to 500'],
    ['port:0', '1 to 65535'],
    ['port:65536', '1 to 65535'],
    ['/(/', 'not a valid regular expression'],
    ['/a(?=b)/', 'not a valid regular expression'],
    [String.raw`/(a)\1/`, 'not a valid regular expression'],
  ])('%j is refused', (until, reason) => expect(() => parseCondition(until)).toThrow(reason))

  test('takes linear time, whatever the pattern and the output', () => {
    const started = performance.now()
    expect(found('/^(a+)+$/', `${'a'.repeat(50_000)}!`)).toBe(false)
    expect(performance.now() - started).toBeLessThan(4000)
  })
})

describe('a search in pieces', () => {
  const search = (until: string) => {
    const condition = parseCondition(until)
    if (condition.kind !== 'output') throw new Error('not a text')
    return new OutputSearch(condition.found)
  }

  test('finds what lies across them', () => {
    const ready = search('ready')
    expect([ready.push(Buffer.from('rea')), ready.push(Buffer.from('dy'))]).toEqual([false, true])
  })

  test('finds a character that is cut', () => {
    const euro = search('€5')
    const bytes = Buffer.from('€5')
    expect([euro.push(bytes.subarray(0, 2)), euro.push(bytes.subarray(2))]).toEqual([false, true])
  })

  test('finds text around a sequence that is cut', () => {
    const text = search('ab')
    expect([text.push(Buffer.from('a\x1b[3')), text.push(Buffer.from('1mb'))]).toEqual([false, true])
  })

  test('does not take the middle of a line for its start', () => {
    const start = search('/^ready/')
    expect(start.push(Buffer.from(`${'x'.repeat(5000)}\n${'y'.repeat(3000)}`))).toBe(false)
    expect(start.push(Buffer.from('ready\n'))).toBe(false)
    expect(start.push(Buffer.from('ready\n'))).toBe(true)
  })

  test('keeps little of what was before', () => {
    const never = search('never')
    const started = performance.now()
    for (let piece = 0; piece < 200; piece++) never.push(Buffer.alloc(16_384, 'x'))
    expect(performance.now() - started).toBeLessThan(4000)
  })
})

/** As Linux prints it: one listener on 127.0.0.1:8000, one connection from port 8001, one socket in TIME_WAIT on 8002. */
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 23456 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F41 0100007F:1F40 01 00000000:00000000 00:00000000 00000000  1000        0 23457 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:1F42 0100007F:1F40 06 00000000:00000000 03:00001769 00000000     0        0 0 3 0000000000000000
`
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 34567 1 0000000000000000 100 0 0 10 0
`

describe('a listener', () => {
  test.each([
    [TCP, 8000, true],
    [TCP, 8001, false],
    [TCP, 8002, false],
    [TCP, 0x7f, false],
    [TCP6, 80, true],
    [TCP6, 8000, false],
    ['', 80, false],
    ['garbage\n:0050 0A', 80, false],
  ])('is told from other sockets (%#)', (table, port, expected) => expect(hasListener(table, port)).toBe(expected))
})
