import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { startInBackground } from '../helpers/processes.ts'

const installation = useInstallation()
const server = installation.useServer()

/** Names of temporary files that a write could have left. */
const LEFT = 'find . -name ".*" -type f'

// DD01
test('a reader that loops while a file is written 100 times sees only whole old or whole new content', async () => {
  const size = 2 * 1024 * 1024
  await server().output(`mkdir atomic && head -c ${size} /dev/zero | tr "\\0" 0 > atomic/file`)
  const id = await startInBackground(
    server(),
    `python3 -uc "
import os
seen = torn = 0
while not os.path.exists('atomic/stop'):
    data = open('atomic/file', 'rb').read()
    seen += 1
    torn += len(data) != ${size} or data.count(data[:1]) != ${size}
print(seen, torn)"`,
  )
  for (let round = 0; round < 100; round++) {
    const content = String(round % 10).repeat(size)
    const answer = await server().call('write_file', { path: 'atomic/file', content })
    expect(answer.isError, answer.text).toBe(false)
  }
  await server().output('touch atomic/stop')
  const { structured } = await server().call('process_read', { process_id: id, until: '/\\d+ \\d+/', wait_s: 50 })
  const [seen, torn] = String(structured.stdout).split(' ').map(Number)
  expect(seen).toBeGreaterThan(0)
  expect(torn).toBe(0)
})

// DD02
test('a server killed in the middle of writes leaves old or new content, and no temporary file', async () => {
  const user = installation.newUser()
  const size = 512 * 1024
  const old = 'o'.repeat(size)
  await using watcher = await installation.start({ user })
  for (let round = 0; round < 5; round++) {
    const killed = await installation.start({ user })
    await watcher.call('write_file', { path: 'big', content: old })
    // Killed when the request has just been handed over: at another point of the write in each round.
    const writing = killed.call('write_file', { path: 'big', content: 'n'.repeat(size) }).catch(() => 'cut off')
    for (let turn = 0; turn < round * 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    killed.kill('SIGKILL')
    await Promise.all([writing, killed.exited])
    const kinds = 'python3 -c "d = open(\'big\').read(); print(len(d), len(set(d)))"'
    expect(await watcher.output(kinds)).toBe(`${size} 1`)
    await expect.poll(() => watcher.output(LEFT)).toBe('')
  }
})

// DD04, RX15
test('a write to a full disk is refused as such, the old content is there whole, and space freed is usable', async () => {
  const old = 'o'.repeat(1024 * 1024)
  await server().call('write_file', { path: '/tmp/file', content: old })
  const state = 'sha256sum < /tmp/file; ls -A /tmp'
  const before = await server().output(state)
  await server().exec('head -c 1G /dev/zero > /tmp/fill')
  for (const [tool, args] of [
    ['write_file', { content: 'n'.repeat(1024 * 1024) }],
    ['upload', { content: 'n'.repeat(200 * 1024) }],
    ['write_file', { content: 'n'.repeat(1024 * 1024), mode: 'append' }],
  ] as const) {
    expect(await server().refusal(tool, { path: '/tmp/file', ...args })).toMatch(
      /^disk_full: No space is left for \/tmp\/file\. Delete files .* The old content is still there\.$/,
    )
  }
  await server().output('rm /tmp/fill')
  expect(await server().output(state)).toBe(before)
  expect((await server().call('write_file', { path: '/tmp/file', content: 'new' })).isError).toBe(false)
})

// RX17
test('a file system without inodes refuses a write as full, and deleting makes room', async () => {
  await server().exec('mkdir /tmp/many; cd /tmp/many; for i in $(seq 20000); do : > $i || break; done')
  expect(await server().refusal('write_file', { path: '/tmp/one-more', content: 'x' })).toMatch(/^disk_full: /)
  await server().output('rm -r /tmp/many')
  expect((await server().call('write_file', { path: '/tmp/one-more', content: 'x' })).isError).toBe(false)
})

// DD07
test('of 20 concurrent writers to one file one wins, whole', async () => {
  const contents = Array.from({ length: 20 }, (_, at) => `${at}`.repeat(100_000))
  await Promise.all(contents.map((content) => server().call('write_file', { path: 'contended', content })))
  const size = Number(await server().output('stat -c %s contended'))
  const start = await server().output('head -c 2 contended')
  const whole = contents.filter((content) => content.length === size && content.startsWith(start))
  const [sum] = (await server().output('sha256sum contended')).split(' ')
  expect(whole.map((content) => createHash('sha256').update(content).digest('hex'))).toContain(sum)
  expect(await server().output(LEFT)).toBe('')
})

test('of 20 concurrent creators of one file exactly one succeeds, and of 20 stale writers none', async () => {
  const create = { path: 'created-once', content: 'x', mode: 'create' }
  const answers = await Promise.all(Array.from({ length: 20 }, () => server().call('write_file', create)))
  expect(answers.filter(({ isError }) => !isError)).toHaveLength(1)
  const { version } = answers.find(({ isError }) => !isError)?.structured ?? {}
  await server().output('sleep 0.01; echo changed > created-once')
  const stale = { path: 'created-once', content: 'x', if_version: version }
  for (let at = 0; at < 20; at++) expect(await server().refusal('write_file', stale)).toMatch(/^stale_version: /)
})

// DD09
test('a file keeps its mode when it is written, and executable adds x where r is', async () => {
  await server().output('echo x > moded && chmod 640 moded')
  await server().call('write_file', { path: 'moded', content: 'y' })
  expect(await server().output('stat -c %a moded')).toBe('640')
  await server().call('write_file', { path: 'moded', content: '#!/bin/sh\necho ran\n', executable: true })
  expect(await server().output('stat -c %a moded; ./moded')).toBe('750\nran')
})

// DD11
describe('content', () => {
  test.each([
    ['all 256 bytes', Buffer.from(Array.from({ length: 256 }, (_, at) => at))],
    ['CRLF', Buffer.from('a\r\nb\r\n')],
    ['a byte order mark', Buffer.from('\ufeffa\n')],
    ['no final newline', Buffer.from('a\nb')],
    ['nothing', Buffer.alloc(0)],
  ])('of %s comes back byte for byte from both writing tools', async (_name, bytes) => {
    for (const tool of ['write_file', 'upload']) {
      // Over longer content, so that a write that does not truncate shows.
      await server().output('head -c 1000 /dev/urandom > bytes')
      await server().call(tool, { path: 'bytes', content: bytes.toString('base64'), encoding: 'base64' })
      const { text } = await server().call('read_file', { path: 'bytes', as: 'base64' })
      expect(text.split('\n').slice(1).join('')).toBe(bytes.toString('base64'))
    }
  })
})
