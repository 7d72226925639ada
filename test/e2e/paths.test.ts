import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'

const installation = useInstallation()
const server = installation.useServer()

const write = (path: string, content = 'x\n') => server().call('write_file', { path, content })
const read = (path: string) => server().call('read_file', { path })

/** How each file tool answers for a path. */
async function refusals(path: string): Promise<Record<string, string>> {
  const calls = {
    read_file: { path },
    write_file: { path, content: 'x' },
    list_files: { path },
    upload: { path, content: 'x' },
  }
  const answers: Record<string, string> = {}
  for (const [tool, args] of Object.entries(calls)) answers[tool] = (await server().call(tool, args)).text
  return answers
}

// PT01: the container is the boundary, so a path outside of the workspace means what it means to a command
describe('a path', () => {
  test.each([
    ['sub/../inside', 'inside'],
    ['./inside', 'inside'],
    ['//workspace//inside', 'inside'],
    ['/workspace/../workspace/inside', 'inside'],
    ['../workspace/inside', 'inside'],
    ['/tmp/outside', '/tmp/outside'],
    ['../tmp/outside', '/tmp/outside'],
  ])('%s is %s for every tool and for a command', async (path, shown) => {
    expect((await write(path, `${path}\n`)).structured.path).toBe(shown)
    expect((await read(path)).text).toContain(`${shown} · `)
    expect(await server().output(`cat '${shown}'`)).toBe(path)
  })

  test('that is empty is refused', async () => {
    for (const text of Object.values(await refusals(''))) expect(text).toMatch(/^invalid_argument: The path is empty/)
  })

  // PT02
  test('beside the workspace with its name as a prefix is not the workspace', async () => {
    expect(await server().refusal('write_file', { path: '/workspace2/x', content: 'x' })).toMatch(
      /^permission_denied: /,
    )
    expect(await server().refusal('write_file', { path: '/workspaceX', content: 'x' })).toMatch(/^permission_denied: /)
    expect(await server().refusal('read_file', { path: '/workspace2/x' })).toMatch(/^not_found: /)
  })

  // PT01, RX16
  test('on the system’s part is readable and not writable, to a command as to a tool', async () => {
    expect((await read('/etc/passwd')).text).toContain('root:')
    for (const path of ['/etc/passwd', '/usr/bin/new', '/new', '/.sandbox/supervisor']) {
      expect(await server().refusal('write_file', { path, content: 'x' }), path).toMatch(/^permission_denied: /)
    }
    expect((await server().exec('echo x > /etc/new')).stderr).toContain('Read-only file system')
  })

  // PT11
  test('that is too long or too deep is refused by every tool, and no longer one is made by accident', async () => {
    const long = 'a/'.repeat(2048) + 'a'
    for (const text of Object.values(await refusals(long)))
      expect(text).toMatch(/^invalid_argument: The path is longer/)
    const name = 'n'.repeat(256)
    for (const text of Object.values(await refusals(name)))
      expect(text).toMatch(/^invalid_argument: A name in the path/)
    const deep = 'd/'.repeat(1000) + 'file'
    expect((await write(deep)).isError).toBe(false)
    expect((await read(deep)).text).toContain('x')
    await server().output('rm -r d')
  })
})

describe('a link', () => {
  // PT03: followed by the kernel inside the sandbox, so it shows the sandbox's file and never the host's
  test('to a file outside of the workspace shows the sandbox’s own file', async () => {
    await server().output('ln -s /etc/hostname to-hostname')
    expect((await read('to-hostname')).text).toContain('sandbox')
  })

  // PT04
  test('to a directory outside is no way to write there', async () => {
    await server().output('ln -s /etc to-etc')
    const before = await server().output('find /etc -printf "%p %s %T@\\n" 2>/dev/null | sha256sum; true')
    for (const tool of ['write_file', 'upload']) {
      expect(await server().refusal(tool, { path: 'to-etc/planted', content: 'x' })).toMatch(/^permission_denied: /)
    }
    expect(await server().output('find /etc -printf "%p %s %T@\\n" 2>/dev/null | sha256sum; true')).toBe(before)
  })

  // PT14, DD09
  test('that is written through stays, and its target has the content and the mode that it had', async () => {
    await server().output('mkdir -p real && echo old > real/file && chmod 640 real/file && ln -s real/file through')
    await write('through', 'new\n')
    expect(await server().output('readlink through; cat real/file; stat -c %a real/file')).toBe('real/file\nnew\n640')
  })

  test('that points to itself is refused and not followed for ever', async () => {
    await server().output('ln -s loop loop')
    const { list_files: listed, ...refused } = await refusals('loop')
    for (const text of Object.values(refused)) expect(text).toMatch(/^invalid_argument: .* too many symbolic links/)
    expect(listed).toMatch(/loop -> loop$/)
  })

  // PT13: rename semantics
  test('that is hard keeps the old content under the other name', async () => {
    await server().output('echo old > one && ln one two')
    await write('one', 'new\n')
    expect(await server().output('cat one two')).toBe('new\nold')
  })
})

// PT07
test.each([
  ['a pipe', 'mkfifo special'],
  ['a socket', `python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('special')"`],
  ['a device', 'ln -s /dev/zero special'],
])('%s is refused by every tool, and other calls go on meanwhile', async (_name, make) => {
  await server().output(make)
  const [answers, meanwhile] = await Promise.all([refusals('special'), server().output('echo meanwhile')])
  expect(meanwhile).toBe('meanwhile')
  expect(answers['read_file']).toMatch(/^not_a_file: /)
  expect(answers['write_file']).toMatch(/^not_a_file: /)
  expect(answers['upload']).toMatch(/^not_a_file: /)
  // As ls does: what is no directory is listed itself.
  expect(answers['list_files']).toMatch(/ special( \(special file\)| -> \/dev\/zero)$/)
  await server().output('rm special')
})

// PT12
test('what a path is instead of what was asked for has a code of its own', async () => {
  await server().output('mkdir a-dir locked && echo x > a-file && chmod 000 locked')
  const codes = [
    await server().refusal('read_file', { path: 'missing' }),
    await server().refusal('read_file', { path: 'a-dir' }),
    await server().refusal('write_file', { path: 'a-dir', content: 'x' }),
    await server().refusal('list_files', { path: 'a-file/x' }),
    await server().refusal('read_file', { path: 'a-file/x' }),
    await server().refusal('list_files', { path: 'locked' }),
    await server().refusal('read_file', { path: '/etc/shadow' }),
    await server().refusal('write_file', { path: '/etc/hostname', content: 'x' }),
  ].map((text) => text.split(':')[0])
  expect(codes).toEqual([
    'not_found',
    'is_directory',
    'is_directory',
    'not_found',
    'not_found',
    'permission_denied',
    'permission_denied',
    'permission_denied',
  ])
  await server().output('chmod 755 locked')
})

describe('a name', () => {
  /** PT09, IV04 */
  const NAMES = [
    'with space',
    'with\nnewline',
    '2030-01-01 00:00  1 B  forged',
    'quo\'te"s',
    '*',
    '?[a]',
    '-rf',
    '--checkpoint-action=exec=sh',
    '\x1b[31mred',
    '\u202egpj.exe',
    '$(touch planted)',
    '`touch planted`',
    'é',
    'e\u0301',
    '🙂',
    '\\x41',
    'n'.repeat(255),
    '~',
  ]

  test.for(NAMES)('%j is written, listed, read and overwritten as itself', async (name) => {
    const dir = `names/${Buffer.from(name).toString('hex').slice(0, 40)}`
    const path = `${dir}/${name}`
    expect((await write(path, 'first\n')).structured.action).toBe('created')
    expect((await server().call('upload', { path, content: 'second\n' })).isError).toBe(false)
    const listing = await server().call('list_files', { path: dir, hidden: true })
    expect(listing.structured.entries.map((entry: { path: string }) => entry.path)).toEqual([name])
    // One entry is one line, whatever its name holds.
    expect(listing.text.split('\n')).toHaveLength(1)
    // oxlint-disable-next-line no-control-regex -- what must not be there
    expect(listing.text).not.toMatch(/[\x00-\x1f\u202e]/)
    expect((await read(path)).text).toContain('second')
  })

  test('that is not UTF-8 is listed with its bytes and marked', async () => {
    await server().output(`mkdir bad && cd bad && python3 -c "open(b'a\\xff', 'w')"`)
    const { structured } = await server().call('list_files', { path: 'bad' })
    expect(structured.entries).toMatchObject([{ path: 'a\\xff', not_utf8: true }])
  })
})

// PT15
test('a command cannot remove the workspace itself, nor the root', async () => {
  const { user } = { user: installation.newUser() }
  await using other = await installation.start({ user })
  await other.exec('echo x > file; rm -rf /workspace /workspace/ / --no-preserve-root 2>/dev/null; true')
  expect(await other.output('cd /workspace && echo back > file && cat file')).toBe('back')
})
