import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { deferred } from '../../../../src/lib/deferred.ts'
import { WireError } from '../../../../src/supervisor/errors.ts'
import { entryOf } from '../../../helpers/fake-supervisor.ts'
import { errorCode, startFilesFront } from '../../../helpers/files-front.ts'
import { sendRaw } from '../../../helpers/raw-http.ts'

const hex = (content: string) => createHash('sha256').update(content).digest('hex')
const field = (content: string) => `sha-256=:${createHash('sha256').update(content).digest('base64')}:`
/** The tag of a file of this length in the fake supervisor. */
const tagOf = (content: string) => `"${(content.length + 1000).toString(36)}"`

describe('GET of a file', () => {
  test('gives its bytes with what a client needs to know of them, and nothing that a browser would run', async () => {
    const { alice, files } = await startFilesFront()
    files.put('page.html', '<script>')
    const answer = await alice('GET', '/files/page.html')
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('<script>')
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-length': '8',
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment; filename="page.html"',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
      'accept-ranges': 'bytes',
      etag: tagOf('<script>'),
      'last-modified': 'Thu, 01 Jan 1970 00:00:00 GMT',
    })
  })

  test('HEAD gives the same headers and no bytes', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'hello')
    const [get, head] = [await alice('GET', '/files/a'), await alice('HEAD', '/files/a')]
    const told = ({ headers }: Response) =>
      [...headers].filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name))
    expect(head.status).toBe(200)
    expect(told(head)).toEqual(told(get))
    expect(await head.text()).toBe('')
  })

  test('an empty file is one', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', '')
    const answer = await alice('GET', '/files/a')
    expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([200, '0', ''])
  })

  test('a part is 206 and says which', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', '0123456789')
    const answer = await alice('GET', '/files/a', { headers: { range: 'bytes=2-4' } })
    expect([answer.status, await answer.text()]).toEqual([206, '234'])
    expect(answer.headers.get('content-range')).toBe('bytes 2-4/10')
    expect(answer.headers.get('content-length')).toBe('3')
  })

  test('a part behind the end is 416 and says how long the file is', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', '0123456789')
    const answer = await alice('GET', '/files/a', { headers: { range: 'bytes=10-' } })
    expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */10'])
    expect(answer.headers.get('etag')).toBeNull()
    expect(await errorCode(answer)).toBe('range_not_satisfiable')
  })

  test('a part of another version than If-Range names is the whole', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', '0123456789')
    const get = (ifRange: string) => alice('GET', '/files/a', { headers: { range: 'bytes=2-4', 'if-range': ifRange } })
    expect((await get(tagOf('0123456789'))).status).toBe(206)
    expect((await get('"other"')).status).toBe(200)
  })

  test('what the client has already is 304 with its tag; what it must not be is 412', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'x')
    const same = await alice('GET', '/files/a', { headers: { 'if-none-match': tagOf('x') } })
    expect([same.status, same.headers.get('etag'), await same.text()]).toEqual([304, tagOf('x'), ''])
    const other = await alice('GET', '/files/a', { headers: { 'if-match': '"other"' } })
    expect([other.status, await errorCode(other)]).toEqual([412, 'stale_version'])
  })

  test.each([['?sha256'], ['']])('the digest is told when it is asked for (%s)', async (query) => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'hello')
    const headers = { 'want-repr-digest': query === '' ? 'sha-256=5' : 'sha-256=0' }
    const answer = await alice('GET', `/files/a${query}`, { headers })
    expect([answer.headers.get('repr-digest'), await answer.text()]).toEqual([field('hello'), 'hello'])
    expect((await alice('GET', '/files/a')).headers.get('repr-digest')).toBeNull()
  })

  test('a file that is replaced between the headers and the bytes cuts the connection', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'first')
    const { read } = files
    files.read = async (path, range, onData) => {
      files.put('a', 'other')
      return { ...(await read.call(files, path, range, onData)), version: 1n }
    }
    const answer = await alice('GET', '/files/a')
      .then((response) => response.text())
      .catch((error: unknown) => error)
    expect(answer).toBeInstanceOf(Error)
  })

  test.each([
    ['/files/missing', 404, 'not_found'],
    ['/files/a/', 404, 'not_found'],
    ['/files/a?format=rar', 400, 'invalid_argument'],
    ['/files/a?nothing', 400, 'invalid_argument'],
    ['/files/%00', 400, 'invalid_argument'],
    ['/files/%ff', 400, 'invalid_argument'],
    [`/files/${'n'.repeat(256)}`, 400, 'invalid_argument'],
  ])('%s is %i %s', async (path, status, code) => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'x')
    const answer = await alice('GET', path)
    expect([answer.status, await errorCode(answer)]).toEqual([status, code])
  })
})

describe('a listing', () => {
  test('is JSON by pages, with names as they are', async () => {
    const { alice, files } = await startFilesFront()
    files.entries = {
      total: 5,
      capped: false,
      more: true,
      entries: [
        entryOf('a', { version: 36n }),
        entryOf(Buffer.from([0x61, 0xff]), { type: 'symlink', target: Buffer.from('a') }),
      ],
    }
    const answer = await alice('GET', '/files/?list&limit=2&cursor=2&sort=size&hidden')
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({
      path: '.',
      entries: [
        { path: 'a', type: 'file', size: 10, mtime: '2026-01-02T03:04:05.000Z', mode: '0644', etag: '"10"' },
        {
          path: 'a\ufffd',
          name_base64: 'Yf8=',
          type: 'symlink',
          size: 10,
          mtime: '2026-01-02T03:04:05.000Z',
          mode: '0644',
          target: 'a',
        },
      ],
      total: 5,
      truncated: true,
      next_cursor: '4',
    })
    expect(files.listed).toMatchObject([
      { path: '/workspace', limit: 2, skip: 2, sort: 'size', hidden: true, depth: 1 },
    ])
  })
})

describe('PUT', () => {
  test('creates with 201, overwrites with 200, and tells what is there now', async () => {
    const { alice, files } = await startFilesFront()
    const created = await alice('PUT', '/files/dir/a', { body: 'hello' })
    expect([created.status, created.headers.get('etag'), created.headers.get('repr-digest')]).toEqual([
      201,
      tagOf('hello'),
      field('hello'),
    ])
    expect(await created.json()).toEqual({ path: 'dir/a', bytes: 5, sha256: hex('hello'), created: true })
    expect(files.text('dir/a')).toBe('hello')
    const again = await alice('PUT', '/files/dir/a', { body: 'other' })
    expect([again.status, files.text('dir/a')]).toEqual([200, 'other'])
  })

  test.each([
    ['//tmp/x', '/tmp/x'],
    ['/%2Ftmp/x', '/tmp/x'],
    ['/a%20b', '/workspace/a b'],
    ['/%252e%252e', '/workspace/%2e%2e'],
  ])('to /files%s writes %s', async (path, there) => {
    const { alice, files } = await startFilesFront()
    expect((await alice('PUT', `/files${path}`, { body: 'x' })).status).toBe(201)
    expect([...files.files.keys()]).toEqual([there])
  })

  test('with a digest that does not match leaves the old content', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'old')
    for (const init of [
      { path: `/files/a?sha256=${hex('x')}`, headers: {} },
      { path: '/files/a', headers: { 'repr-digest': field('x') } },
      { path: '/files/a', headers: { 'content-digest': field('x') } },
    ]) {
      const answer = await alice('PUT', init.path, { body: 'new', headers: init.headers })
      expect([answer.status, await errorCode(answer), files.text('a')]).toEqual([400, 'invalid_argument', 'old'])
    }
    expect((await alice('PUT', `/files/a?sha256=${hex('new')}`, { body: 'new' })).status).toBe(200)
    expect(files.text('a')).toBe('new')
  })

  test('under a condition writes only what the condition was decided on', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'old')
    const put = (headers: Record<string, string>, path = 'a') =>
      alice('PUT', `/files/${path}`, { body: 'newer', headers })
    expect((await put({ 'if-none-match': '*' })).status).toBe(412)
    expect((await put({ 'if-match': '"other"' })).status).toBe(412)
    expect((await put({ 'if-match': '*' }, 'missing')).status).toBe(412)
    expect(files.text('a')).toBe('old')
    expect((await put({ 'if-match': tagOf('old') })).status).toBe(200)
    expect((await put({ 'if-none-match': '*' }, 'b')).status).toBe(201)
  })

  test('under If-None-Match: * loses against a file that comes while it is sent', async () => {
    const { alice, files } = await startFilesFront()
    const { write } = files
    files.write = (path, data, options) => {
      files.put('a', 'theirs')
      return write.call(files, path, data, options)
    }
    const answer = await alice('PUT', '/files/a', { body: 'ours', headers: { 'if-none-match': '*' } })
    expect([answer.status, files.text('a')]).toEqual([412, 'theirs'])
  })

  test('with overwrite=false refuses what is there', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'old')
    const answer = await alice('PUT', '/files/a?overwrite=false', { body: 'new' })
    expect([answer.status, await errorCode(answer), files.text('a')]).toEqual([409, 'already_exists', 'old'])
  })

  test('of the most bytes passes, one more is 413, with a length and without', async () => {
    const { alice, files, address } = await startFilesFront({ maxBytes: 1000 })
    expect((await alice('PUT', '/files/a', { body: 'x'.repeat(1000) })).status).toBe(201)
    const long = await alice('PUT', '/files/b', { body: 'x'.repeat(1001) })
    expect([long.status, await errorCode(long)]).toEqual([413, 'too_large'])
    const chunked = await sendRaw(
      address,
      `PUT /files/b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n`,
    )
    expect([chunked.status, JSON.parse(chunked.body)]).toMatchObject([413, { error: { code: 'too_large' } }])
    expect(files.text('b')).toBeUndefined()
  })

  test.each([
    ['', 411, 'length_required'],
    ['Content-Length: 1\r\nContent-Range: bytes 0-0/2\r\n', 400, 'invalid_argument'],
    ['Content-Length: 1\r\nContent-Encoding: gzip\r\n', 415, 'unsupported_media_type'],
    ['Content-Length: 1\r\nRepr-Digest: sha-512=:AAAA:\r\n', 400, 'invalid_argument'],
  ])('with the headers %j is %i, and nothing is started for it', async (headers, status, code) => {
    const { address, provider } = await startFilesFront()
    const answer = await sendRaw(
      address,
      `PUT /files/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\nConnection: close\r\n${headers}\r\n${headers === '' ? '' : 'x'}`,
    )
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([status, { error: { code } }])
    expect(provider.acquired).toEqual([])
  })

  test('with Content-Length: 0 makes an empty file', async () => {
    const { alice, files } = await startFilesFront()
    expect((await alice('PUT', '/files/a', { body: '' })).status).toBe(201)
    expect(files.text('a')).toBe('')
  })

  test('to a directory is refused', async () => {
    const { alice } = await startFilesFront()
    const answer = await alice('PUT', '/files/dir/', { body: 'x' })
    expect([answer.status, await errorCode(answer)]).toEqual([409, 'is_directory'])
  })

  test('when the disk is full is 507', async () => {
    const { alice, files } = await startFilesFront()
    files.failWriteOf = { suffix: 'a', error: new WireError('no_space', 28) }
    const answer = await alice('PUT', '/files/a', { body: 'x' })
    expect([answer.status, await errorCode(answer)]).toEqual([507, 'disk_full'])
  })

  test('that is cut leaves the old content, and gives the lease back', async () => {
    const { address, files, provider } = await startFilesFront()
    files.put('a', 'old')
    const reading = deferred<undefined>()
    const { write } = files
    files.write = (path, data, options) => {
      reading.resolve(undefined)
      return write.call(files, path, data, options)
    }
    const socket = connect(Number(address.port), address.hostname)
    socket.write(
      'PUT /files/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\nContent-Length: 10\r\n\r\nhalf',
    )
    await reading.promise
    socket.destroy()
    await expect.poll(() => provider.held).toBe(0)
    expect(files.text('a')).toBe('old')
  })

  test('that pauses for too long is 408', async () => {
    const { address, files, provider } = await startFilesFront({ silenceMs: 50 })
    const answer = await sendRaw(
      address,
      'PUT /files/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\nContent-Length: 10\r\n\r\nhalf',
    )
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([408, { error: { code: 'request_timeout' } }])
    expect([files.text('a'), provider.held]).toEqual([undefined, 0])
  })
})

describe('DELETE', () => {
  test('removes a file, under a condition too', async () => {
    const { alice, files } = await startFilesFront()
    files.put('a', 'x')
    expect((await alice('DELETE', '/files/a', { headers: { 'if-match': '"other"' } })).status).toBe(412)
    const answer = await alice('DELETE', '/files/a', { headers: { 'if-match': tagOf('x') } })
    expect([answer.status, await answer.text(), files.text('a')]).toEqual([204, '', undefined])
    expect((await alice('DELETE', '/files/a')).status).toBe(404)
  })

  test('of a directory with something in it takes ?recursive, and says so', async () => {
    const { alice, files } = await startFilesFront()
    files.directories.add('/workspace/dir')
    files.put('dir/a', 'x')
    const { remove } = files
    files.remove = (path, recursive) =>
      recursive ? remove.call(files, path, recursive) : Promise.reject(new WireError('not_empty', 39))
    const refused = await alice('DELETE', '/files/dir')
    expect(refused.status).toBe(409)
    expect(await refused.json()).toMatchObject({ error: { hint: expect.stringContaining('?recursive') } })
    expect((await alice('DELETE', '/files/dir?recursive')).status).toBe(204)
    expect(files.text('dir/a')).toBeUndefined()
  })
})

describe('whose files they are', () => {
  test('a user reaches their own, by no path, header or query another’s', async () => {
    const { ask, files, provider } = await startFilesFront({ sessions: { s1: 'alice' } })
    files.put('secret', 'x')
    for (const init of [{}, { headers: { 'mcp-session-id': 's1' } }, { headers: { 'x-user': 'alice' } }]) {
      expect((await ask('bob', 'GET', '/files/secret', init)).status).toBe(404)
    }
    expect(new Set(provider.acquired)).toEqual(new Set(['bob']))
  })

  test('a request without a credential is 401 before anything is started', async () => {
    const { address, provider } = await startFilesFront()
    for (const path of ['/files/a', '/files/../files/a', '/upload']) {
      expect((await fetch(`${address.origin}${path}`)).status).toBe(401)
    }
    expect(provider.acquired).toEqual([])
  })

  test('an anonymous one is its session’s, or the configured user’s, or nobody’s', async () => {
    const { ask, provider } = await startFilesFront({ sessions: { s1: 'anonymous-1' } })
    const get = (headers: Record<string, string>) => ask('anonymous', 'GET', '/files/?list', { headers })
    expect((await get({ 'mcp-session-id': 's1' })).status).toBe(200)
    const unknown = await get({ 'mcp-session-id': 's2' })
    expect([unknown.status, await errorCode(unknown)]).toEqual([404, 'not_found'])
    expect((await get({})).status).toBe(400)
    expect(provider.acquired).toEqual(['anonymous-1'])
    const local = await startFilesFront({ anonymousUser: 'local' })
    expect((await local.ask('anonymous', 'GET', '/files/?list')).status).toBe(200)
    expect(local.provider.acquired).toEqual(['local'])
  })

  test('a credential that ends cuts what it streams', async () => {
    const { alice, files, endCredentials, provider } = await startFilesFront()
    files.put('a', 'x'.repeat(100))
    const begun = deferred<undefined>()
    files.read = async (_path, _range, onData) => {
      await onData(Buffer.alloc(10))
      begun.resolve(undefined)
      // The sink refuses more as soon as the credential has ended.
      for (;;) {
        await onData(Buffer.alloc(0))
        await new Promise((next) => setImmediate(next))
      }
    }
    const answer = alice('GET', '/files/a').then((response) => response.text())
    await begun.promise
    endCredentials()
    await expect(answer).rejects.toThrow('terminated')
    expect(provider.held).toBe(0)
  })
})

test.each([
  ['POST', '/files/a', 'GET, HEAD, PUT, DELETE'],
  ['PATCH', '/files/a', 'GET, HEAD, PUT, DELETE'],
  ['GET', '/upload', 'POST'],
  ['DELETE', '/t/x', 'GET, HEAD, PUT'],
])('%s %s is 405 and says what there is', async (method, path, allowed) => {
  const { alice } = await startFilesFront()
  const answer = await alice(method, path)
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, allowed])
})

test('a client that is gone before its turn leaves nothing behind', async () => {
  const { address, provider } = await startFilesFront()
  const asked = deferred<AbortSignal | undefined>()
  provider.before = ({ signal }) => {
    asked.resolve(signal)
    return once(signal ?? new AbortController().signal, 'abort').then(() => signal?.throwIfAborted())
  }
  const socket = connect(Number(address.port), address.hostname)
  socket.write('GET /files/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\n\r\n')
  const signal = await asked.promise
  socket.destroy()
  await expect.poll(() => signal?.aborted).toBe(true)
  expect(provider.held).toBe(0)
})

test('the bytes of files are counted in either direction, those of messages are not', async () => {
  const { alice, files, told } = await startFilesFront()
  files.put('a', 'hello')
  await (await alice('GET', '/files/a')).text()
  await (await alice('GET', '/files/a', { headers: { range: 'bytes=1-2' } })).text()
  await (await alice('HEAD', '/files/a')).text()
  await (await alice('GET', '/files/gone')).text()
  await (await alice('PUT', '/files/b', { body: 'twelve bytes' })).text()
  const sum = (direction: string) =>
    told.filter(([, each]) => each === direction).reduce((bytes, [, , count]) => bytes + Number(count), 0)
  expect({ out: sum('out'), in: sum('in') }).toEqual({ out: 7, in: 12 })
})
