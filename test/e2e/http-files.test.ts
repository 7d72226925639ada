import { createHash, randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rssBytes } from '../bench/process-use.ts'
import { curl } from '../helpers/curl.ts'
import { useHttpUsers } from '../helpers/http-users.ts'
import { useInstallation } from '../helpers/installation.ts'
import { zip } from '../helpers/zip.ts'

const users = useHttpUsers(useInstallation())

/** curl as Alice, and as Bob. */
const asAlice = (...args: string[]) => curl([...users().alice.credential, ...args])
const asBob = (...args: string[]) => curl([...users().bob.credential, ...args])
/** In Alice's sandbox. */
const inside = (command: string) => users().alice.inside.output(command)
const url = (path: string) => users().url(path)
const localFile = (name: string, content: Buffer | string) => users().localFile(name, content)
const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')

describe('files with curl', () => {
  test('go in and come out byte for byte, as the sandbox’s own user', async () => {
    const data = randomBytes(3 * 1024 * 1024 + 7)
    const file = await localFile('data.bin', data)
    const put = await asAlice('-T', file, url('/files/round/data.bin'))
    expect([put.status, JSON.parse(put.text)]).toEqual([
      201,
      { path: 'round/data.bin', bytes: data.length, sha256: sha256(data), created: true },
    ])
    expect(await inside('sha256sum < round/data.bin; stat -c %U round/data.bin; id -un')).toMatch(
      new RegExp(`^${sha256(data)}  -\n(\\S+)\n\\1$`),
    )
    const get = await asAlice(url('/files/round/data.bin'))
    expect([get.status, get.body.equals(data)]).toEqual([200, true])
  })

  test('are resumed where a download ended', async () => {
    const data = randomBytes(500_000)
    await asAlice('-T', await localFile('r', data), url('/files/resume'))
    const part = await localFile('part', data.subarray(0, 123_456))
    const get = await asAlice('-C', '-', '-o', part, url('/files/resume'))
    expect([get.status, (await readFile(part)).equals(data)]).toEqual([206, true])
    const suffix = await asAlice('-r', '-100', url('/files/resume'))
    expect(suffix.body.equals(data.subarray(-100))).toBe(true)
    expect((await asAlice('-r', '500000-', url('/files/resume'))).status).toBe(416)
  })

  test('are kept in step by their tags', async () => {
    await inside('echo one > tagged')
    const etag = async () => /etag: (\S+)/i.exec((await asAlice('-I', url('/files/tagged'))).text)?.[1] ?? ''
    const first = await etag()
    expect((await asAlice('-H', `If-None-Match: ${first}`, url('/files/tagged'))).status).toBe(304)
    await inside('echo two > tagged')
    expect(await etag()).not.toBe(first)
    const file = await localFile('three', 'three\n')
    const put = (tag: string) => asAlice('-H', `If-Match: ${tag}`, '-T', file, url('/files/tagged'))
    expect((await put(first)).status).toBe(412)
    expect(await inside('cat tagged')).toBe('two')
    expect((await put(await etag())).status).toBe(200)
    expect(await inside('cat tagged')).toBe('three')
  })

  test('without a length, as curl sends what comes from a pipe, are taken too', async () => {
    const file = await localFile('piped', 'piped')
    const chunked = ['-X', 'PUT', '-H', 'Transfer-Encoding: chunked', '--data-binary', `@${file}`]
    expect((await asAlice(...chunked, url('/files/piped'))).status).toBe(201)
    expect(await inside('cat piped')).toBe('piped')
  })

  test('are where a command has them: links followed, no permission refused, absolute paths by a second slash', async () => {
    await inside('mkdir -p real && echo x > real/file && ln -s real way && ln -s /etc to-etc')
    expect((await asAlice(url('/files/way/file'))).text).toBe('x\n')
    const file = await localFile('x', 'x')
    expect((await asAlice('-T', file, url('/files/to-etc/planted'))).status).toBe(403)
    expect(
      (await asAlice('-T', file, '--path-as-is', url('/files/../../../../etc/planted'))).status,
    ).toBeGreaterThanOrEqual(400)
    expect((await asAlice('-T', file, url('/files//tmp/there'))).status).toBe(201)
    expect(await inside('cat /tmp/there')).toBe('x')
    expect((await asAlice(url('/files//etc/passwd'))).text).toContain('root:')
    expect((await asAlice(url('/files//proc/self/status'))).text).toContain('Pid:')
    expect((await asAlice(url('/files//dev/zero'))).status).toBe(409)
  })

  test('are removed; what is not empty only when it is asked for', async () => {
    await inside('mkdir -p gone/sub && touch gone/sub/a && ln -s gone link-to-gone')
    const remove = async (path: string) => (await asAlice('-X', 'DELETE', url(path))).status
    expect(await remove('/files/link-to-gone?recursive')).toBe(204)
    expect(await remove('/files/gone')).toBe(409)
    expect(await remove('/files/gone?recursive')).toBe(204)
    expect(await inside('ls -d gone link-to-gone 2>&1; true')).not.toMatch(/^(gone|link)/m)
    expect(await remove('/files/?recursive')).toBe(403)
    expect(await remove('/files/gone')).toBe(404)
  })

  test('are listed as JSON, page by page', async () => {
    await inside('mkdir listed && cd listed && touch a b c && mkdir d')
    const list = async (query: string) => JSON.parse((await asAlice(url(`/files/listed?list${query}`))).text)
    expect((await list('')).entries.map(({ path, type }: Record<string, string>) => `${path} ${type}`)).toEqual([
      'a file',
      'b file',
      'c file',
      'd directory',
    ])
    const first = await list('&limit=3')
    expect(first).toMatchObject({ total: 4, truncated: true, next_cursor: '3' })
    expect((await list(`&limit=3&cursor=${first.next_cursor}`)).entries).toHaveLength(1)
  })
})

describe('an upload that is cut', () => {
  test('leaves the old content and nothing beside it', async () => {
    await inside('mkdir -p cut && echo old > cut/file')
    const large = await users().sparseFile('sparse', 500 * 1024 * 1024)
    const stop = new AbortController()
    const args = [...users().alice.credential, '--limit-rate', '2M', '-T', large, url('/files/cut/file')]
    const put = curl(args, stop.signal)
    // Its temporary file is there, so bytes have arrived.
    await expect.poll(() => inside('ls -A cut | wc -l'), { timeout: 30_000 }).toBe('2')
    stop.abort()
    expect((await put).exitCode).toBeNull()
    await expect.poll(() => inside('ls -A cut'), { timeout: 30_000 }).toBe('file')
    expect(await inside('cat cut/file')).toBe('old')
  })
})

describe('archives', () => {
  test('are unpacked into a directory, and a directory comes as one', async () => {
    const file = await localFile(
      'a.zip',
      zip([
        { name: 'x/a', data: Buffer.from('1') },
        { name: 'b', data: Buffer.from('22') },
      ]),
    )
    const put = await asAlice('-T', file, url('/files/unpacked?extract=zip'))
    expect([put.status, JSON.parse(put.text)]).toMatchObject([200, { path: 'unpacked', files_extracted: 2 }])
    expect(await inside('cat unpacked/x/a unpacked/b')).toBe('122')
    const packed = join(users().directory, 'unpacked.tar.gz')
    const get = await asAlice('-o', packed, url('/files/unpacked'))
    expect(get.status).toBe(200)
    await asAlice('-T', packed, url('/files/again?extract=tar.gz'))
    expect(await inside('diff -r unpacked again/unpacked || diff -r unpacked again')).toBe('')
  })

  test('that lead out are refused whole', async () => {
    const file = await localFile(
      'evil.zip',
      zip([
        { name: 'ok', data: Buffer.from('1') },
        { name: '../evil', data: Buffer.from('1') },
      ]),
    )
    expect((await asAlice('-T', file, url('/files/evil?extract=zip'))).status).toBe(400)
    expect(await inside('ls -A evil ../evil evil/ok 2>/dev/null; true')).toBe('')
  })
})

describe('a form', () => {
  test('puts several files into a directory, whatever they are called', async () => {
    const one = await localFile('one', '1')
    const names = ['../../../etc/passwd', '/etc/shadow', 'C:\\\\x\\\\y.dll', '..', 'plain.txt']
    const fields = names.flatMap((name) => ['-F', `file=@${one};filename="${name}"`])
    const post = await asAlice('-F', 'path=form', ...fields, url('/upload'))
    expect(post.status).toBe(400)
    const { files } = JSON.parse(post.text) as { files: { path?: string; error?: { code: string } }[] }
    expect(files.map(({ path, error }) => path ?? error?.code)).toEqual([
      'form/passwd',
      'form/shadow',
      'form/y.dll',
      'invalid_argument',
      'form/plain.txt',
    ])
    expect((await inside('ls -A form')).split('\n').sort()).toEqual(['passwd', 'plain.txt', 'shadow', 'y.dll'])
  })
})

describe('another user', () => {
  test('reaches nothing, by any path, header or query', async () => {
    await inside('echo secret > secret')
    for (const path of ['/files/secret', '/files//workspace/secret', `/files/secret?user=${users().alice.name}`]) {
      const get = await asBob('-H', `X-Sandbox-User: ${users().alice.name}`, url(path))
      expect(get.status).toBeGreaterThanOrEqual(400)
      expect(get.text).not.toContain('secret\n')
    }
    const file = await localFile('planted', 'planted')
    await asBob('-T', file, url('/files/secret'))
    expect([await inside('cat secret'), await users().bob.inside.output('cat secret')]).toEqual(['secret', 'planted'])
  })

  test('without a credential there is nobody', async () => {
    for (const path of ['/files/secret', '/files/?list']) expect((await curl([url(path)])).status).toBe(401)
    expect((await curl(['-H', 'Authorization: Bearer x', url('/files/secret')])).status).toBe(401)
  })
})

test('200 MB in and out take the server less than 50 MB of memory', async () => {
  const size = 200 * 1024 * 1024
  const back = join(users().directory, 'large-back')
  const roundTrip = async (bytes: number) => {
    const file = await users().sparseFile('large', bytes)
    expect((await asAlice('-T', file, url('/files/large'))).status).toBeLessThan(300)
    expect((await asAlice('-o', back, url('/files/large'))).status).toBe(200)
    expect((await stat(back)).size).toBe(bytes)
  }
  // What a first stream takes (code, pools, the garbage collector's pace) is taken once, whatever the size.
  await roundTrip(size / 10)
  await roundTrip(size / 10)
  const before = rssBytes(users().server.pid)
  await roundTrip(size)
  expect(rssBytes(users().server.pid, 'VmHWM') - before).toBeLessThan(50 * 1024 * 1024)
  await inside('rm large')
})
