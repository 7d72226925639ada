import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ran, run } from '../helpers/run-cli.ts'
import { useInstallation } from '../helpers/installation.ts'

const installation = useInstallation()
const BACKUP_MS = 180_000
let directory = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sandbox-mcp-test-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

function cli(args: readonly string[]): Promise<Ran> {
  return run(['--installation', installation.name, '--backup-dir', join(directory, 'kept'), ...args])
}

/** Runs it, and gives the document that it prints. */
async function json(args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await cli([...args, '--json'])
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout)
}

/** Makes a tree with all that is hard to copy. */
const MAKE = `
import os, socket
os.chdir('/workspace')
os.makedirs('dir/' + '/'.join(['deep' * 10] * 20)); os.mkdir('empty')
for i in range(300): open(f'dir/{i}', 'wb').write(os.urandom(i * 7))
open(b'\\xff\\xfe name', 'wb').write(b'bytes'); open('new\\nline "q"', 'w').write('n'); open('ü' * 100, 'w').write('u')
os.link('dir/7', 'twin'); os.symlink('../nowhere', 'dangling'); os.symlink('/etc/passwd', 'outside'); os.symlink('dir', 'to-dir')
with open('holes', 'wb') as f: f.seek(50_000_000); f.write(b'x'); f.seek(90_000_000); f.write(b'y'); f.truncate(100_000_000)
open('zero', 'wb').close(); open('plain-zeros', 'wb').write(bytes(1_000_000))
os.mkfifo('pipe'); s = socket.socket(socket.AF_UNIX); s.bind('sock')
open('locked', 'w').write('secret'); os.mkdir('closed'); open('closed/in', 'w').write('in')
os.utime('zero', ns=(1, 1)); os.utime('twin', ns=(-1_500_000_000, -1_500_000_000)); os.utime('dangling', ns=(7, 123456789), follow_symlinks=False)
os.utime('dir/' + 'deep' * 10, ns=(3, 1_600_000_000_123_456_789)); os.utime('empty', ns=(5, 5))
os.chmod('locked', 0); os.chmod('dir/9', 0o6751); os.chmod('closed', 0)
`

/** Every name, kind, mode, time, target, content and link of the tree, as one hash; pipes and sockets left out. Modes are opened and put back. */
const HASH = `
import hashlib, os, stat
h = hashlib.sha256(); inodes = {}; count = 0
def visit(d):
    global count
    for name in sorted(os.listdir(d)):
        p = d + b'/' + name; s = os.lstat(p)
        if stat.S_ISFIFO(s.st_mode) or stat.S_ISSOCK(s.st_mode): continue
        count += 1
        first = inodes.setdefault(s.st_ino, p)
        h.update(repr((p, s.st_mode, s.st_mtime_ns, first)).encode())
        if stat.S_ISLNK(s.st_mode): h.update(os.readlink(p)); continue
        os.chmod(p, 0o700)
        if stat.S_ISDIR(s.st_mode): visit(p)
        else:
            h.update(repr(s.st_size).encode())
            with open(p, 'rb') as f: h.update(hashlib.file_digest(f, 'sha256').digest() if hasattr(hashlib, 'file_digest') else f.read())
        os.chmod(p, stat.S_IMODE(s.st_mode))
visit(b'/workspace')
print(h.hexdigest(), count, os.stat('/workspace/holes').st_blocks * 512 < 10_000_000)
`

async function python(user: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await cli(['exec', user, '--', 'python3', '-c', script])
  expect(code, stderr).toBe(0)
  return stdout
}

describe('a workspace that was copied', { timeout: BACKUP_MS }, () => {
  test('comes back byte for byte: after a restore, and as another user of another uid by export and import', async () => {
    const user = installation.newUser()
    const other = installation.newUser()
    await python(user, MAKE)
    const before = await python(user, HASH)
    expect(before).toMatch(/^[0-9a-f]{64} 3\d\d True\n$/)

    const facts = await json(['backup', user])
    expect(facts).toMatchObject({ verified: true, totals: { skipped: { fifo: 1, socket: 1 } } })
    expect(await python(user, HASH)).toBe(before)
    await python(
      user,
      "import os; os.chdir('/workspace'); os.unlink('twin'); open('dir/1', 'w').write('changed'); open('more', 'w')",
    )
    expect(await python(user, HASH)).not.toBe(before)

    const refused = await cli(['restore', user])
    expect(refused).toMatchObject({ code: 64, stdout: '' })
    expect(refused.stderr).toContain('--yes')
    await json(['restore', user, '--yes'])
    expect(await python(user, HASH)).toBe(before)

    const file = join(directory, 'exported.tar.zst')
    await json(['export', user, file])
    await json(['import', other, file])
    expect(await python(other, HASH)).toBe(before)
    expect(await python(other, "import os; print(os.stat('/workspace/zero').st_uid == os.getuid())")).toBe('True\n')

    // Nothing of a name in clear, and nothing half-made.
    const kept = await readdir(join(directory, 'kept'), { recursive: true })
    expect(kept.filter((name) => name.includes(user) || name.includes('.tmp'))).toEqual([])
    expect(
      await installation.engine.containers.list({
        'sandbox-mcp.installation': installation.name,
        'sandbox-mcp.role': 'copy',
      }),
    ).toEqual([])
    expect(await installation.volumes(user)).toHaveLength(1)
  })

  test('is refused when the file is not whole, and the present files stay', async () => {
    const user = installation.newUser()
    await python(user, "open('/workspace/a', 'w').write('precious')")
    const file = join(directory, 'cut.tar.zst')
    await json(['export', user, file])
    const whole = await readFile(file)
    await writeFile(file, whole.subarray(0, whole.length - 10))
    expect(await cli(['import', user, file, '--yes'])).toMatchObject({
      code: 65,
      stderr: expect.stringMatching(/^backup_damaged: /),
    })
    expect(await python(user, "print(open('/workspace/a').read())")).toBe('precious\n')
    expect(await installation.volumes(user)).toHaveLength(1)
  })
})

describe('a snapshot', { timeout: BACKUP_MS }, () => {
  test('is of one moment, ends nothing, and brings the files of that moment back', async () => {
    const user = installation.newUser()
    await using server = await installation.start({ user, args: ['--backup-dir', join(directory, 'kept')] })
    // Two files that differ for a moment only, each changed in one write.
    const loop = `import os
first, second = (os.open(name, os.O_CREAT | os.O_WRONLY) for name in ('first', 'second'))
for i in range(1, 10**9):
    for file in first, second: os.pwrite(file, b'%09d' % i, 0)`
    const counting = await server.exec(`python3 -c "${loop}"`, { wait_s: 0 })
    await server.output('until [ -s second ]; do sleep 0.01; done')
    const taken = await server.call('sandbox_manage', { action: 'snapshot', snapshot: 'early' })
    expect(taken.structured).toMatchObject({
      snapshot: 'early',
      snapshots: ['early'],
      files_kept: true,
      processes_kept: true,
    })
    const atFirst = Number(await server.output('cat second'))
    await server.output(`until [ "$(cat second)" -gt ${String(atFirst + 10).padStart(9, '0')} ]; do sleep 0.01; done`)
    await server.call('process_write', { process_id: counting.process_id, signal: 'kill' })
    await server.output('rm -f first; echo late > late')

    const back = await server.call('sandbox_manage', { action: 'restore', snapshot: 'early' })
    expect(back.structured).toMatchObject({ snapshot: 'early', files_kept: false, processes_kept: false })
    const [first = 0, second = 0] = (await server.output('cat first; echo; cat second')).split('\n').map(Number)
    expect(first - second).toBeGreaterThanOrEqual(0)
    expect(first - second).toBeLessThanOrEqual(1)
    expect(await server.output('ls')).toBe('first\nsecond')
    expect(await server.refusal('sandbox_manage', { action: 'restore', snapshot: 'none' })).toMatch(
      /^not_found: .*early/s,
    )
  })
})
