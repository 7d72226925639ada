import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { DownloadGrant } from '../../../src/lib/handover.ts'
import { download } from '../../../src/tools/download.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { hostOf } from '../../helpers/host-files.ts'
import { runTool } from '../../helpers/run-tool.ts'

const SHA256 = createHash('sha256').update('hello').digest('hex')
const EXPIRES = '2026-01-02T00:00:00.000Z'

function withUrls() {
  const grants: (readonly [grant: DownloadGrant, ttlMs: number])[] = []
  const get = (grant: DownloadGrant, ttlMs: number) => {
    grants.push([grant, ttlMs])
    return { url: 'https://x.test/t/abc', expiresAt: new Date(EXPIRES) }
  }
  const put = () => expect.fail('an upload was asked for')
  return { grants, handover: { urls: { maxTtlMs: 900_000, put, get } } }
}

function fakeWith(path: string, content: string): FakeSupervisor {
  const fake = new FakeSupervisor()
  fake.put(path, content)
  return fake
}

describe('download over HTTP', () => {
  test('gives a URL for the file as it is now, with size, digest, expiry and a curl line in both channels', async () => {
    const { grants, handover } = withUrls()
    const outcome = await runTool(download, { path: 'out/a.csv' }, fakeWith('out/a.csv', 'hello'), { handover })
    const curl = "curl -fo './a.csv' 'https://x.test/t/abc'"
    expect(outcome.text).toBe(`One-time URL of out/a.csv, good until ${EXPIRES}:\n${curl}`)
    expect(outcome.footer).toBe(`[out/a.csv · 5 B · sha256 ${SHA256} · until ${EXPIRES}]`)
    expect(outcome.structured).toEqual({
      path: 'out/a.csv',
      bytes: 5,
      sha256: SHA256,
      get_url: 'https://x.test/t/abc',
      expires_at: EXPIRES,
      curl,
    })
    expect(grants).toEqual([[{ path: '/workspace/out/a.csv', kind: 'file', version: 1005n, sha256: SHA256 }, 900_000]])
  })

  test('gives a directory as an archive of whatever is in it then', async () => {
    const { grants, handover } = withUrls()
    const outcome = await runTool(download, { path: '.', ttl_s: 60 }, new FakeSupervisor(), { handover })
    expect(outcome.structured).toMatchObject({
      path: '.',
      curl: "curl -fo './workspace.tar.gz' 'https://x.test/t/abc'",
    })
    expect(outcome.structured).not.toHaveProperty('bytes')
    expect(grants).toEqual([[{ path: '/workspace', kind: 'directory' }, 60_000]])
  })

  test.each(["it's", '$(reboot)', 'a\nb', '-rf', 'a\u202eb'])(
    'a file called %j is no trap for a shell',
    async (name) => {
      const { handover } = withUrls()
      const { structured } = await runTool(download, { path: name }, fakeWith(name, 'x'), { handover })
      const { curl } = structured as { curl: string }
      expect(curl).toMatch(/^curl -fo '\.\/(?:[^'\n\u202e]|'\\'')+' 'https:\/\/x\.test\/t\/abc'$/)
    },
  )

  test.each([
    ['missing', 'not_found'],
    ['', 'invalid_argument'],
  ] as const)('of %j is refused', async (path, code) => {
    await expectCode(runTool(download, { path }, new FakeSupervisor(), { handover: withUrls().handover }), code)
  })
})

describe('download over stdio', () => {
  test('copies the file to the host and says where', async () => {
    const host = hostOf({})
    const outcome = await runTool(download, { path: 'out/a' }, fakeWith('out/a', 'hello'), { handover: { host } })
    expect(host.files.get('/share/a')).toBe('hello')
    expect(outcome.text).toBe("out/a copied to /share/a on the user's machine.")
    expect(outcome.structured).toEqual({ path: 'out/a', bytes: 5, sha256: SHA256, host_path: '/share/a' })
    expect(host.stillOpen).toBe(0)
  })

  test('of more than the host takes leaves nothing there', async () => {
    const host = hostOf({})
    const fake = fakeWith('a', 'x'.repeat(101))
    await expectCode(runTool(download, { path: 'a' }, fake, { handover: { host } }), 'too_large')
    expect([host.files.size, host.stillOpen]).toEqual([0, 0])
  })

  test('where the operator has allowed nothing says what it takes', async () => {
    const { hint } = await expectCode(runTool(download, { path: 'a' }, fakeWith('a', 'x')), 'permission_denied')
    expect(hint).toContain('--host-dir')
  })
})
