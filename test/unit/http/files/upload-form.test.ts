import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { deferred } from '../../../../src/lib/deferred.ts'
import { WireError } from '../../../../src/supervisor/errors.ts'
import { errorCode, startFilesFront } from '../../../helpers/files-front.ts'
import { sendRaw } from '../../../helpers/raw-http.ts'

/** Parts as they stand on the wire: `[disposition, content]`. */
function multipart(parts: readonly (readonly [disposition: string, content: string])[], end = true): string {
  const body = parts.map(
    ([disposition, content]) =>
      `--B\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: application/octet-stream\r\n\r\n${content}\r\n`,
  )
  return body.join('') + (end ? '--B--\r\n' : '')
}

const HEADERS = { 'content-type': 'multipart/form-data; boundary=B' }
const file = (name: string, content: string) => [`name="file"; filename="${name}"`, content] as const

function form(files: Readonly<Record<string, string>>, path?: string): FormData {
  const data = new FormData()
  if (path !== undefined) data.append('path', path)
  for (const [name, content] of Object.entries(files)) data.append('file', new Blob([content]), name)
  return data
}

async function reports(answer: Response) {
  return ((await answer.json()) as { files: Record<string, unknown>[] }).files
}

describe('POST /upload', () => {
  test('writes every file of a form into the directory that it names', async () => {
    const { alice, files } = await startFilesFront()
    const answer = await alice('POST', '/upload', { body: form({ 'a.txt': 'one', 'é.bin': 'three' }, 'in') })
    expect(answer.status).toBe(200)
    expect(await reports(answer)).toMatchObject([
      { name: 'a.txt', path: 'in/a.txt', bytes: 3, created: true, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { name: 'é.bin', path: 'in/é.bin', bytes: 5, created: true },
    ])
    expect([files.text('in/a.txt'), files.text('in/é.bin')]).toEqual(['one', 'three'])
  })

  test('takes the directory from the query, too', async () => {
    const { alice, files } = await startFilesFront()
    expect((await alice('POST', '/upload?path=%2Ftmp', { body: form({ a: 'x' }) })).status).toBe(200)
    expect(files.text('/tmp/a')).toBe('x')
  })

  test.each([
    ['../../etc/passwd', 'in/passwd'],
    ['/etc/cron.d/evil', 'in/evil'],
    ['C:\\\\Windows\\\\evil.dll', 'in/evil.dll'],
    ['a%2f..%2fb', 'in/a%2f..%2fb'],
  ])('a file that is called %s lands in the directory and nowhere else', async (name, there) => {
    const { alice, files } = await startFilesFront()
    const body = multipart([file(name, 'x')])
    const answer = await alice('POST', '/upload?path=in', { body, headers: HEADERS })
    expect(await reports(answer)).toMatchObject([{ path: there }])
    expect([...files.files.keys()]).toEqual([`/workspace/${there}`])
  })

  test('one file that fails is told of by itself, with the others there', async () => {
    const { alice, files } = await startFilesFront()
    files.failWriteOf = { suffix: 'b', error: new WireError('is_directory', 21) }
    const body = multipart([file('a', '1'), file('b', '2'), file('..', '3'), file('a', '4'), file('c', '5')])
    const answer = await alice('POST', '/upload', { body, headers: HEADERS })
    expect(answer.status).toBe(409)
    expect(await reports(answer)).toMatchObject([
      { name: 'a', path: 'a' },
      { name: 'b', error: { code: 'is_directory', hint: expect.any(String) } },
      { name: '..', error: { code: 'invalid_argument' } },
      { name: 'a', error: { code: 'already_exists' } },
      { name: 'c', path: 'c' },
    ])
    expect([files.text('a'), files.text('c'), files.files.size]).toEqual(['1', '5', 2])
  })

  test('overwrite=false keeps what is there', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'old')
    const answer = await alice('POST', '/upload?overwrite=false', { body: form({ a: 'new', b: 'new' }) })
    expect([answer.status, files.text('a'), files.text('b')]).toEqual([409, 'old', 'new'])
  })

  test('a large file streams, as does the one behind it', async () => {
    const { alice, files } = await startFilesFront({ maxBytes: 8 * 1024 * 1024 })
    const large = 'x'.repeat(3 * 1024 * 1024)
    const answer = await alice('POST', '/upload', { body: form({ large, small: 'y' }) })
    expect(answer.status).toBe(200)
    expect([files.text('large')?.length, files.text('small')]).toEqual([large.length, 'y'])
  })

  test.each([
    ['another type', { 'content-type': 'application/json' }, '{}', 415, 'unsupported_media_type'],
    ['no boundary', { 'content-type': 'multipart/form-data; x=y' }, 'x', 400, 'malformed_body'],
    ['no end', HEADERS, multipart([file('a', 'x')], false), 400, 'malformed_body'],
    ['no part', HEADERS, '--B--\r\n', 400, 'invalid_argument'],
    ['no file', HEADERS, multipart([]), 400, 'invalid_argument'],
    [
      'an unknown field',
      HEADERS,
      '--B\r\nContent-Disposition: form-data; name="to"\r\n\r\nx\r\n--B--\r\n',
      400,
      'invalid_argument',
    ],
    [
      'a field without a name',
      HEADERS,
      '--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--\r\n',
      400,
      'invalid_argument',
    ],
    [
      'the directory after a file',
      HEADERS,
      `${multipart([file('a', 'x')], false)}--B\r\nContent-Disposition: form-data; name="path"\r\n\r\nx\r\n--B--\r\n`,
      400,
      'invalid_argument',
    ],
    [
      'too many files',
      HEADERS,
      multipart(Array.from({ length: 1001 }, (_, at) => file(`f${at}`, ''))),
      413,
      'too_large',
    ],
    [
      'a field that is too long',
      HEADERS,
      `--B\r\nContent-Disposition: form-data; name="path"\r\n\r\n${'x'.repeat(9000)}\r\n${multipart([file('a', 'x')])}`,
      413,
      'too_large',
    ],
  ])('a form with %s is refused', async (_, headers, body, status, code) => {
    const { alice, provider } = await startFilesFront()
    const answer = await alice('POST', '/upload', { body, headers })
    expect([answer.status, await errorCode(answer)]).toEqual([status, code])
    expect(provider.held).toBe(0)
  })

  test('a form with more than the most bytes is 413 and leaves no half of a file', async () => {
    const { alice, files, provider } = await startFilesFront({ maxBytes: 1000 })
    const answer = await alice('POST', '/upload', { body: form({ a: 'x'.repeat(1001) }) })
    expect([answer.status, files.files.size, provider.held]).toEqual([413, 0, 0])
  })

  test('a form that pauses in the middle of a file is 408 and leaves no half of it', async () => {
    const { address, files, provider } = await startFilesFront({ silenceMs: 50 })
    const half = multipart([file('a', 'half')], false).trimEnd()
    const answer = await sendRaw(
      address,
      `POST /upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\nContent-Type: ${HEADERS['content-type']}\r\nContent-Length: 9999\r\n\r\n${half}`,
    )
    expect([answer.status, files.files.size, provider.held]).toEqual([408, 0, 0])
  })

  test('a form that is cut in the middle of a file keeps the files before it alone', async () => {
    const { address, files, provider } = await startFilesFront()
    const second = deferred<undefined>()
    const { write } = files
    files.write = (path, data, options) => {
      if (path.endsWith('/b')) second.resolve(undefined)
      return write.call(files, path, data, options)
    }
    const socket = connect(Number(address.port), address.hostname)
    const half = multipart([file('a', 'whole'), file('b', 'half')], false).trimEnd()
    socket.write(
      `POST /upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\nContent-Type: ${HEADERS['content-type']}\r\nContent-Length: 9999\r\n\r\n${half}`,
    )
    await second.promise
    socket.destroy()
    await expect.poll(() => provider.held).toBe(0)
    expect([files.text('a'), files.text('b')]).toEqual(['whole', undefined])
  })
})
