import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { deferred } from '../../../../src/lib/deferred.ts'
import { errorCode, startFilesFront } from '../../../helpers/files-front.ts'

const hex = (content: string) => createHash('sha256').update(content).digest('hex')
const versionOf = (content: string) => BigInt(content.length + 1000)

/** A front whose tickets are alice's. */
async function world() {
  const front = await startFilesFront()
  const urls = front.tickets.urlsOf('alice')
  const grant = { path: '/workspace/a', overwrite: true }
  return {
    ...front,
    putUrl: (extra = {}) => urls.put({ ...grant, ...extra }).url,
    getUrl: (content: string, path = '/workspace/a') =>
      urls.get({ path, kind: 'file', version: versionOf(content), sha256: hex(content) }, 60_000).url,
  }
}

const put = (url: string, body: string, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'PUT', body, headers })

describe('an upload ticket', () => {
  test('takes one file without any credential, and no second one', async () => {
    const { putUrl, files } = await world()
    const url = putUrl()
    const answer = await put(url, 'hello')
    expect(answer.status).toBe(201)
    expect(await answer.json()).toEqual({ path: 'a', bytes: 5, sha256: hex('hello'), created: true })
    const again = await put(url, 'other')
    expect([again.status, await errorCode(again), files.text('a')]).toEqual([404, 'not_found', 'hello'])
  })

  test('is for nothing else: no other method, path, query or user’s header', async () => {
    const { putUrl, files, provider } = await world()
    const url = putUrl()
    files.put('a', 'old')
    expect((await fetch(url)).status).toBe(404)
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(404)
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(405)
    expect((await put(`${url}/b`, 'x')).status).toBe(404)
    expect((await put(`${url}?path=b`, 'x')).status).toBe(400)
    expect((await put(`${url}?extract=tar`, 'x')).status).toBe(400)
    expect([files.text('a'), files.files.size]).toEqual(['old', 1])
    expect((await put(url, 'new', { authorization: 'Bearer bob', 'mcp-session-id': 'x' })).status).toBe(200)
    expect([files.text('a'), new Set(provider.acquired)]).toEqual(['new', new Set(['alice'])])
  })

  test('that must not overwrite does not, whatever the headers say', async () => {
    const { putUrl, files } = await world()
    files.put('a', 'old')
    const url = putUrl({ overwrite: false })
    for (const headers of [{}, { 'if-match': '*' }] as Record<string, string>[]) {
      const answer = await put(url, 'new', headers)
      expect([answer.status, files.text('a')]).toEqual([409, 'old'])
    }
  })

  test('for content of a digest refuses any other, and can be used again then', async () => {
    const { putUrl, files } = await world()
    const url = putUrl({ sha256: hex('right') })
    expect((await put(url, 'wrong')).status).toBe(400)
    const announced = { 'repr-digest': `sha-256=:${createHash('sha256').update('wrong').digest('base64')}:` }
    expect((await put(url, 'right', announced)).status).toBe(400)
    expect(files.files.size).toBe(0)
    expect((await put(url, 'right')).status).toBe(201)
  })

  test('survives an upload that is cut', async () => {
    const { putUrl, files, provider, address } = await world()
    const url = putUrl()
    const reading = deferred<undefined>()
    const { write } = files
    files.write = (path, data, options) => {
      reading.resolve(undefined)
      return write.call(files, path, data, options)
    }
    const socket = connect(Number(address.port), address.hostname)
    socket.write(`PUT ${new URL(url).pathname} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf`)
    await reading.promise
    const meanwhile = await put(url, 'other')
    expect([meanwhile.status, await errorCode(meanwhile)]).toEqual([429, 'sandbox_limit'])
    socket.destroy()
    await expect.poll(() => provider.held).toBe(0)
    expect((await put(url, 'whole')).status).toBe(201)
    expect(files.text('a')).toBe('whole')
  })
})

describe('a download ticket', () => {
  test('gives one file with its digest, once; HEAD costs nothing', async () => {
    const { getUrl, files } = await world()
    files.put('a', 'hello')
    const url = getUrl('hello')
    expect((await fetch(url, { method: 'HEAD' })).headers.get('content-length')).toBe('5')
    const answer = await fetch(url)
    expect([answer.status, await answer.text()]).toEqual([200, 'hello'])
    expect(answer.headers.get('repr-digest')).toBe(`sha-256=:${createHash('sha256').update('hello').digest('base64')}:`)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    await expect.poll(async () => (await fetch(url)).status).toBe(404)
  })

  test('does not write', async () => {
    const { getUrl, files } = await world()
    files.put('a', 'hello')
    expect((await put(getUrl('hello'), 'x')).status).toBe(404)
    expect(files.text('a')).toBe('hello')
  })

  test('gives nothing that it was not given for: the file changed, or became another thing', async () => {
    const { getUrl, files } = await world()
    files.put('a', 'hello')
    const url = getUrl('hello')
    files.put('a', 'changed')
    const answer = await fetch(url)
    expect([answer.status, await errorCode(answer)]).toEqual([412, 'stale_version'])
  })

  test('is not spent by a conditional request that gets no bytes', async () => {
    const { getUrl, files } = await world()
    files.put('a', 'hello')
    const url = getUrl('hello')
    const tag = (await fetch(url, { method: 'HEAD' })).headers.get('etag') ?? ''
    expect((await fetch(url, { headers: { 'if-none-match': tag } })).status).toBe(304)
    expect((await fetch(url, { headers: { range: 'bytes=9-' } })).status).toBe(416)
    expect(await (await fetch(url, { headers: { range: 'bytes=2-' } })).text()).toBe('llo')
    await expect.poll(async () => (await fetch(url)).status).toBe(404)
  })

  test('survives a download that is cut', async () => {
    const { getUrl, files, address, provider } = await world()
    files.put('a', 'hello')
    const url = getUrl('hello')
    const sent = deferred<undefined>()
    const { read } = files
    files.read = async (_path, _range, onData) => {
      await onData(Buffer.from('he'))
      sent.resolve(undefined)
      for (;;) {
        await onData(Buffer.alloc(0))
        await new Promise((next) => setImmediate(next))
      }
    }
    const socket = connect(Number(address.port), address.hostname)
    socket.write(`GET ${new URL(url).pathname} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await sent.promise
    socket.destroy()
    await expect.poll(() => provider.held).toBe(0)
    files.read = read
    expect(await (await fetch(url)).text()).toBe('hello')
  })
})

test('a ticket stands behind the check of the Host', async () => {
  const { putUrl, address, files } = await world()
  const socket = connect(Number(address.port), address.hostname)
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  socket.write(
    `PUT ${new URL(putUrl()).pathname} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx`,
  )
  await expect.poll(() => text).toMatch(/^HTTP\/1\.1 403 /)
  socket.destroy()
  expect(files.files.size).toBe(0)
})

test('no ticket is in the log, whatever becomes of it', async () => {
  const { putUrl, getUrl, files, lines, tickets } = await world()
  const urls = [putUrl(), putUrl({ sha256: hex('y') }), getUrl('hello'), `${getUrl('hello')}%ff`]
  files.put('a', 'hello')
  for (const url of urls) {
    await (await put(url, 'x')).arrayBuffer()
    await (await fetch(url)).arrayBuffer()
  }
  tickets.revoke('alice')
  await (await put(urls[1] ?? '', 'y')).arrayBuffer()
  const log = JSON.stringify(lines)
  expect(log).toContain('ticket')
  for (const url of urls) expect(log).not.toContain(url.slice(url.lastIndexOf('/') + 1))
})
