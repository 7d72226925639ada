import { execFileSync } from 'node:child_process'
import { link, mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openHostFile } from '../../../../src/transports/host-files/source.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts'

/** An allowed directory and one beside it with a secret. */
async function world() {
  const root = temporaryDirectory()
  const [allowed, outside] = [join(root, 'share'), join(root, 'share-private')]
  await Promise.all([mkdir(allowed), mkdir(outside)])
  await writeFile(join(allowed, 'a.txt'), 'hello')
  await writeFile(join(outside, 'secret'), 'secret')
  return { allowed, outside, open: (path: string) => contentOf(openHostFile([allowed], path)) }
}

async function contentOf(opening: ReturnType<typeof openHostFile>): Promise<string> {
  const source = await opening
  try {
    const pieces: Uint8Array[] = []
    for await (const piece of source.content) pieces.push(piece)
    return Buffer.concat(pieces).toString()
  } finally {
    await source[Symbol.asyncDispose]()
  }
}

describe('a file of the host', () => {
  test('is read by its absolute path, and by one that is relative to the directory', async () => {
    const { allowed, open } = await world()
    expect(await open(join(allowed, 'a.txt'))).toBe('hello')
    expect(await open('a.txt')).toBe('hello')
    expect(await open('sub/../a.txt')).toBe('hello')
  })

  test('is found in every allowed directory', async () => {
    const { allowed, outside } = await world()
    expect(await contentOf(openHostFile([allowed, outside], join(outside, 'secret')))).toBe('secret')
  })

  test('is read where the directory itself is reached by a link', async () => {
    const { allowed, outside } = await world()
    await symlink(allowed, join(outside, 'link'))
    expect(await contentOf(openHostFile([join(outside, 'link')], 'a.txt'))).toBe('hello')
  })

  test('outside is refused without a look at it: what is there and what is not look alike', async () => {
    const { open, outside } = await world()
    const paths = [
      join(outside, 'secret'),
      join(outside, 'missing'),
      outside,
      '../share-private/secret',
      '/etc/passwd',
      '/',
      'a\0b',
    ]
    const errors = await Promise.all(paths.map((path) => expectCode(open(path), 'permission_denied')))
    const withoutPath = errors.map(({ message }, at) => message.replace(paths[at] ?? '', '…'))
    expect(new Set(withoutPath.slice(0, 3)).size).toBe(1)
  })

  // CVE-2025-53110: /share-private begins with /share.
  test('in a directory whose name only begins alike is outside', async () => {
    const { allowed, open } = await world()
    await expectCode(open(`${allowed}-private/secret`), 'permission_denied')
  })

  // CVE-2025-53109
  test.each(['a link', 'a link as a directory', 'a link to a link'])(
    'is not reached through %s that leads out',
    async (how) => {
      const { allowed, outside, open } = await world()
      if (how === 'a link') await symlink(join(outside, 'secret'), join(allowed, 'way'))
      if (how === 'a link as a directory') await symlink(outside, join(allowed, 'way'))
      if (how === 'a link to a link') {
        await symlink(join(outside, 'secret'), join(outside, 'second'))
        await symlink(join(outside, 'second'), join(allowed, 'way'))
      }
      const { message } = await expectCode(open(how === 'a link as a directory' ? 'way/secret' : 'way'), 'not_found')
      expect(message).not.toContain(outside)
    },
  )

  test('is read through a link that stays inside', async () => {
    const { allowed, open } = await world()
    await symlink(join(allowed, 'a.txt'), join(allowed, 'way'))
    expect(await open('way')).toBe('hello')
  })

  test('is a regular one: a directory, a pipe, a socket and what is missing are refused alike, and at once', async () => {
    const { allowed, open } = await world()
    await mkdir(join(allowed, 'dir'))
    execFileSync('mkfifo', [join(allowed, 'pipe')])
    const server = createServer().listen(join(allowed, 'socket'))
    onTestFinished(() => void server.close())
    await expect.poll(() => server.listening).toBe(true)
    for (const name of ['dir', 'pipe', 'socket', 'missing', 'a.txt/x']) await expectCode(open(name), 'not_found')
  })

  test('with a second name inside is a file inside', async () => {
    const { allowed, open } = await world()
    await link(join(allowed, 'a.txt'), join(allowed, 'b.txt'))
    expect(await open('b.txt')).toBe('hello')
  })

  // The parent is swapped for a link again and again while files are opened: the check is of what was opened.
  test('is never the one outside while somebody swaps a directory for a link', async () => {
    const { allowed, outside, open } = await world()
    const [dir, real] = [join(allowed, 'dir'), join(allowed, 'real')]
    await mkdir(real)
    await writeFile(join(real, 'secret'), 'harmless')
    await symlink(real, dir)
    const over = new AbortController()
    const swapping = (async () => {
      for (let to = 0; !over.signal.aborted; to = 1 - to) {
        await symlink(to === 0 ? outside : real, join(allowed, 'next'))
        await rename(join(allowed, 'next'), dir)
      }
    })()
    const seen = new Set<string>()
    // Until it was caught in both states, and often.
    for (let count = 0; count < 400 || (seen.size < 2 && count < 100_000); count++) {
      seen.add(await open('dir/secret').catch((error: Error) => error.name))
    }
    over.abort()
    await swapping
    expect(seen).not.toContain('secret')
    expect([...seen].sort()).toEqual(['SandboxError', 'harmless'])
  })
})
