import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { UploadGrant } from '../../../src/lib/handover.ts'
import { upload } from '../../../src/tools/upload.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { hostOf } from '../../helpers/host-files.ts'
import { runTool } from '../../helpers/run-tool.ts'
import { zip } from '../../helpers/zip.ts'

const HELLO = Buffer.from('hello\0')
const DIGEST = createHash('sha256').update(HELLO).digest('hex')
const base = { path: 'a.bin', content: HELLO.toString('base64'), encoding: 'base64' }

describe('upload', () => {
  test('writes the exact bytes and tells their digest in both channels', async () => {
    const fake = new FakeSupervisor()
    const outcome = await runTool(upload, { ...base, sha256: DIGEST.toUpperCase() }, fake)
    expect(fake.files.get('/workspace/a.bin')?.data).toEqual(HELLO)
    expect(outcome.text).toBe('a.bin created.')
    expect(outcome.footer).toBe(`[6 B · sha256 ${DIGEST}]`)
    expect(outcome.structured).toEqual({ path: 'a.bin', bytes: 6, sha256: DIGEST })
  })

  test('with another digest nothing is written', async () => {
    const fake = new FakeSupervisor()
    const { message } = await expectCode(runTool(upload, { ...base, sha256: '0'.repeat(64) }, fake), 'invalid_argument')
    expect(message).toContain(DIGEST)
    expect(fake.files.size).toBe(0)
  })

  test('overwrite=false refuses a file that is there', async () => {
    const fake = new FakeSupervisor()
    fake.put('a.bin', 'old')
    await expectCode(runTool(upload, { ...base, overwrite: false }, fake), 'already_exists')
    expect(fake.text('a.bin')).toBe('old')
  })

  test('256 KiB pass, one byte more is too large and says what to do, in either encoding', async () => {
    const most = Buffer.alloc(256 * 1024, 'x')
    await runTool(upload, { path: 'a', content: most.toString('base64'), encoding: 'base64' })
    await runTool(upload, { path: 'a', content: most.toString() })
    const more = Buffer.concat([most, Buffer.from('x')])
    for (const args of [{ content: more.toString('base64'), encoding: 'base64' }, { content: more.toString() }]) {
      const { hint } = await expectCode(runTool(upload, { path: 'a', ...args }), 'too_large')
      expect(hint).toContain('mode=append')
    }
    await expectCode(runTool(upload, { path: 'a', content: '!'.repeat(5_000_000), encoding: 'base64' }), 'too_large')
  })

  test('an archive is unpacked below the path', async () => {
    const fake = new FakeSupervisor()
    const archive = zip([
      { name: 'x/a', data: Buffer.from('1') },
      { name: 'b', data: Buffer.from('22') },
    ])
    const content = archive.toString('base64')
    const outcome = await runTool(upload, { path: 'out', content, encoding: 'base64', extract: 'zip' }, fake)
    expect(outcome.text).toBe('2 files (3 B) extracted into out.')
    expect(outcome.structured).toMatchObject({ path: 'out', files_extracted: 2, bytes_extracted: 3 })
    expect(fake.text('out/x/a')).toBe('1')
    expect(fake.text('out/b')).toBe('22')
  })

  test.each([
    ['nothing', {}],
    ['ticket: false alone', { ticket: false }],
    ['two ways', { content: 'x', ticket: true }],
    ['three ways', { content: 'x', host_path: 'x', ticket: true }],
  ])('with %s instead of one way is refused', async (_, args) => {
    const { message } = await expectCode(runTool(upload, { path: 'a', ...args }), 'invalid_argument')
    expect(message).toBe('Give exactly one of content, host_path and ticket=true.')
  })
})

describe('upload with a ticket', () => {
  const expiresAt = new Date(Date.UTC(2026, 0, 2))

  function withUrls() {
    const grants: UploadGrant[] = []
    const put = (grant: UploadGrant) => {
      grants.push(grant)
      return { url: 'https://x.test/t/abc', expiresAt }
    }
    const get = () => expect.fail('a download was asked for')
    return { grants, handover: { urls: { maxTtlMs: 1000, put, get } } }
  }

  test('gives a URL with its curl line and expiry, in both channels, for exactly what was asked for', async () => {
    const { grants, handover } = withUrls()
    const args = { path: 'in/a', ticket: true, sha256: DIGEST, extract: 'zip', overwrite: false }
    const outcome = await runTool(upload, args, new FakeSupervisor(), { handover })
    const curl = "curl --fail-with-body -T FILE 'https://x.test/t/abc'"
    expect(outcome.text).toBe(
      `One-time URL to put a zip archive into in/a, good until 2026-01-02T00:00:00.000Z:\n${curl}`,
    )
    expect(outcome.structured).toEqual({
      path: 'in/a',
      put_url: 'https://x.test/t/abc',
      expires_at: '2026-01-02T00:00:00.000Z',
      curl,
    })
    expect(grants).toEqual([{ path: '/workspace/in/a', sha256: DIGEST, extract: 'zip', overwrite: false }])
  })

  test.each([
    [{}, 'host-dir'],
    [{ host: hostOf({}) }, 'host_path'],
  ])('where there are no URLs says what to do instead', async (handover, hint) => {
    const error = await expectCode(
      runTool(upload, { path: 'a', ticket: true }, new FakeSupervisor(), { handover }),
      'invalid_argument',
    )
    expect(error.hint).toContain(hint)
  })
})

describe('upload from the user’s machine', () => {
  test('copies the file and closes it', async () => {
    const fake = new FakeSupervisor()
    const host = hostOf({ '/share/a': 'hello\0' })
    const outcome = await runTool(upload, { path: 'a', host_path: '/share/a', sha256: DIGEST }, fake, {
      handover: { host },
    })
    expect(fake.text('a')).toBe('hello\0')
    expect(outcome.structured).toEqual({ path: 'a', bytes: 6, sha256: DIGEST })
    expect(host.stillOpen).toBe(0)
  })

  test('with another digest or too much of it keeps the old content, and closes it', async () => {
    const fake = new FakeSupervisor()
    fake.put('a', 'old')
    const host = hostOf({ '/share/a': 'hello', '/share/large': 'x'.repeat(101) })
    const args = { path: 'a', host_path: '/share/a', sha256: DIGEST }
    await expectCode(runTool(upload, args, fake, { handover: { host } }), 'invalid_argument')
    const large = { path: 'a', host_path: '/share/large' }
    await expectCode(runTool(upload, large, fake, { handover: { host } }), 'too_large')
    expect([fake.text('a'), host.stillOpen]).toEqual(['old', 0])
  })

  test('where the operator has allowed nothing says what it takes', async () => {
    const { hint } = await expectCode(runTool(upload, { path: 'a', host_path: '/etc/passwd' }), 'permission_denied')
    expect(hint).toContain('--host-dir')
  })
})
