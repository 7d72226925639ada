import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { describe, expect, test } from 'vitest'
import { readFile } from '../../../src/tools/read-file.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { png } from '../../helpers/png.ts'
import { runTool } from '../../helpers/run-tool.ts'

function read(content: string | Buffer, args: Record<string, unknown> = {}, path = 'a.txt') {
  const fake = new FakeSupervisor()
  fake.put(path, content)
  return runTool(readFile, { path, ...args }, fake)
}

const FIVE = 'one\ntwo\nthree\nfour\nfive\n'

describe('read_file', () => {
  test('a header, then numbered lines, and no structured form', async () => {
    expect(await read('one\ntwo\n')).toEqual({ text: 'a.txt · lines 1–2 of 2 · 8 B · version s0\n1\tone\n2\ttwo' })
  })

  test('a part says where it goes on', async () => {
    expect((await read(FIVE, { offset: 2, limit: 2 })).text).toBe(
      'a.txt · lines 2–3 of 5 · 24 B · version sg\n2\ttwo\n3\tthree\n[more: offset=4]',
    )
  })

  test('a negative offset counts from the end', async () => {
    expect((await read(FIVE, { offset: -2 })).text).toContain('lines 4–5 of 5 · 24 B · version sg\n4\tfour\n5\tfive')
  })

  test('line 0 is refused', async () => {
    const { message } = await expectCode(read(FIVE, { offset: 0 }), 'invalid_argument')
    expect(message).toBe('offset: lines count from 1, or from -1 backwards.')
  })

  test('an empty file, an offset past the end and a missing newline are told', async () => {
    expect((await read('')).text).toBe('a.txt · empty · 0 B · version rs')
    expect((await read('a\n', { offset: 9 })).text).toContain('offset 9 is past the last of 1 lines')
    expect((await read('a\nb')).text).toContain('no newline at the end')
  })

  test('CRLF line ends are told in the header, stray carriage returns and escape sequences are shown', async () => {
    expect((await read('a\r\nb\r\n')).text).toMatch(/CRLF line ends\n1\ta\n2\tb$/)
    expect((await read('a\r\nb\rc\n\x1b[31mred\x1b[0m\n')).text).toMatch(
      /\n1\ta\\r\n2\tb\\rc\n3\t\\x1b\[31mred\\x1b\[0m$/,
    )
  })

  test('hidden and bidirectional characters are written out', async () => {
    expect((await read('if (a\u202e) {\n')).text).toContain('if (a\\u{202e}) {')
  })

  test('a long line is cut at 2,000 characters, with its length, and never inside a character', async () => {
    const { text } = await read(`${'x'.repeat(5000)}\n`)
    expect(text).toContain(`${'x'.repeat(2000)} [… cut: the line has 5000 bytes]`)
    expect(text).not.toContain('x'.repeat(2001))
    const emoji = (await read(`x${'🦆'.repeat(3000)}\n`)).text
    expect(emoji).toContain(`${'🦆'.repeat(999)} [… cut`)
    expect(emoji).not.toContain('\ufffd')
  })

  test('what would cost more than 25,000 tokens stops earlier and says where to go on', async () => {
    const { text } = await read('0123456789abcdefghij-KLMNOPqrst\n'.repeat(2000), { limit: 10_000 })
    const last = Number(/lines 1–(\d+) of 2000/.exec(text)?.[1])
    expect(encode(text).length).toBeLessThan(25_000)
    expect(last).toBeGreaterThan(500)
    expect(last).toBeLessThan(2000)
    expect(text.endsWith(`[more: offset=${last + 1}]`)).toBe(true)
  })

  test('the supervisor is asked for 64 KiB at most', async () => {
    const fake = new FakeSupervisor()
    fake.put('a.txt', 'a\n')
    const asked: unknown[] = []
    const readLines = fake.readLines.bind(fake)
    fake.readLines = (path, range) => {
      asked.push(range)
      return readLines(path, range)
    }
    await runTool(readFile, { path: 'a.txt' }, fake)
    expect(asked).toEqual([{ first: 1, maxLines: 1000, maxBytes: 65_536, maxLineBytes: 8000 }])
  })

  test('a small image passes as it is, known by its bytes and not by its name', async () => {
    const bytes = png(10, 20)
    const outcome = await read(bytes, {}, 'notes.txt')
    expect(outcome.text).toMatch(/^notes\.txt · 10 × 20 px PNG · /)
    expect(outcome.images).toEqual([{ base64: bytes.toString('base64'), mimeType: 'image/png' }])
    expect(outcome).not.toHaveProperty('structured')
  })

  test('an image without a NUL byte is an image', async () => {
    const gif = Buffer.from('GIF89a\x01\x01\x01\x01\x77\x01\x01;', 'latin1')
    expect((await read(gif)).images).toMatchObject([{ mimeType: 'image/gif' }])
  })

  test('a binary file is told by its kind, with a way to its bytes', async () => {
    const { text } = await read(Buffer.from('\x7fELF\x02\x01\x01\0'), {}, 'photo.png')
    expect(text).toBe(
      'photo.png · ELF program · 8 B · version s0\n[binary: look at it with shell_exec, or read it with as=base64]',
    )
    expect((await read(Buffer.alloc(100_000))).text).toMatch(/binary data of unknown type.*\n\[binary: .*xxd/)
  })

  test('as=text shows a binary file as text, as=image insists on an image', async () => {
    expect((await read(Buffer.from('a\0b\n'), { as: 'text' })).text).toContain('1\ta\\x00b')
    await expectCode(read('text\n', { as: 'image' }), 'invalid_argument')
  })

  test('as=base64 gives the exact bytes of a small file and refuses a large one', async () => {
    const bytes = Buffer.from([0, 255, 10, 13])
    expect((await read(bytes, { as: 'base64' })).text.split('\n')[1]).toBe(bytes.toString('base64'))
    const full = await read(Buffer.alloc(20 * 1024, 0xa7), { as: 'base64' })
    expect(encode(full.text).length).toBeLessThan(25_000)
    await expectCode(read(Buffer.alloc(20 * 1024 + 1), { as: 'base64' }), 'too_large')
  })

  test('a missing file and a directory say what to do', async () => {
    const missing = await expectCode(runTool(readFile, { path: 'nope' }), 'not_found')
    expect(`${missing.message} ${missing.hint}`).toBe('nope does not exist. Check the name with list_files.')
    await expectCode(runTool(readFile, { path: '/workspace' }), 'is_directory')
  })

  test('a hostile path is escaped in the header', async () => {
    const { text } = await read('x\n', {}, 'a\x1b[31mb')
    expect(text).not.toContain('\x1b')
  })
})
