import { execFile } from 'node:child_process'
import { mkdtemp, open, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { uidOf } from '../../src/registry/identity.ts'
import { useInstallation } from '../helpers/installation.ts'

const execute = promisify(execFile)
const MIB = 1024 ** 2
const installation = useInstallation()

/** Every tool that writes below the workspace, with a write that is small. */
const WRITES = [
  ['write_file', { path: 'a.txt', content: 'x' }],
  ['edit_file', { path: 'kept.txt', edits: [{ old: 'old', new: 'new' }] }],
  ['upload', { path: 'b.txt', content: 'x' }],
  ['run_code', { language: 'python', code: 'print(1)' }],
  ['install_packages', { packages: ['six'] }],
] as const

describe('a workspace whose size is watched', () => {
  const server = installation.useServer({ env: { SANDBOX_WORKSPACE_SIZE: '64MiB', SANDBOX_WORKSPACE_FILES: '2000' } })

  test('that is over its limit is written by no tool, says what it holds, and can be emptied and written again', async () => {
    await server().call('write_file', { path: 'kept.txt', content: 'old' })
    // Within one look, so that no command is ended for it.
    await server().output('head -c 80M /dev/urandom > big')
    await expect
      .poll(async () => (await server().call('write_file', { path: 'a.txt', content: 'x' })).text, { timeout: 20_000 })
      .toMatch(/^disk_full: The workspace holds 80 MiB in \d+ files; 64 MiB and 2,000 files are allowed\. .*du -xh/)
    for (const [tool, args] of WRITES) expect(await server().refusal(tool, args)).toMatch(/^disk_full: /)
    expect((await server().call('read_file', { path: 'kept.txt' })).text).toContain('old')
    const { structured } = await server().call('sandbox_info')
    expect(structured).toMatchObject({
      limits: { workspace_bytes: 64 * MIB },
      use: { workspace_bytes: expect.any(Number) },
    })
    expect(structured.use.workspace_bytes).toBeGreaterThanOrEqual(80 * MIB)
    await server().output('rm big')
    expect((await server().call('write_file', { path: 'a.txt', content: 'x' })).isError).toBe(false)
  })

  test('refuses a write that alone would not fit', async () => {
    await server().output('head -c 80M /dev/urandom > big')
    await expect
      .poll(async () => (await server().call('write_file', { path: 'a.txt', content: 'x' })).text, { timeout: 20_000 })
      .toMatch(/^disk_full: /)
    await server().output('truncate -s 62M big')
    expect(await server().refusal('write_file', { path: 'c.txt', content: 'x'.repeat(3 * MIB) })).toMatch(
      /^disk_full: 3 MiB more do not fit: the workspace holds 62 MiB/,
    )
    expect((await server().call('write_file', { path: 'a.txt', content: 'x' })).isError).toBe(false)
    await server().output('rm big')
  })

  test('ends a command that goes on growing it beyond the limit, keeps its output and says why', async () => {
    const script = 'echo begun; i=0; while :; do i=$((i+1)); head -c 4M /dev/urandom > grow-$i; sleep 0.02; done'
    const answer = await server().call('shell_exec', { command: script, timeout_s: 60 })
    expect(answer.structured).toMatchObject({
      status: 'cancelled',
      stdout: 'begun\n',
      reason: expect.stringMatching(
        /^ended: it went on writing while the workspace was over its limit \(.* of 64 MiB\)/,
      ),
    })
    expect(answer.footer).toContain('ended: it went on writing')
    expect(Number(await server().output('du -sm . | cut -f1'))).toBeLessThan(4000)
    await server().output('rm -f grow-*')
    expect((await server().call('write_file', { path: 'a.txt', content: 'x' })).isError).toBe(false)
  })

  test('may hold so many files and no more', async () => {
    await server().output('mkdir many && cd many && seq 3000 | xargs touch')
    await expect
      .poll(async () => (await server().call('write_file', { path: 'a.txt', content: 'x' })).text, { timeout: 20_000 })
      .toMatch(/^disk_full: The workspace holds more than .* in 2,001 files; /)
    await server().output('rm -r many')
    expect((await server().call('write_file', { path: 'a.txt', content: 'x' })).isError).toBe(false)
  })

  test('does not hide files where they cannot be measured', async () => {
    await server().output(
      'mkdir dark && head -c 1M /dev/urandom > dark/f && chmod 000 dark && head -c 70M /dev/zero > big',
    )
    await expect
      .poll(async () => (await server().call('write_file', { path: 'a.txt', content: 'x' })).text, { timeout: 20_000 })
      .toMatch(/^disk_full: /)
    await server().output('rm big')
    expect(await server().refusal('write_file', { path: 'a.txt', content: 'x' })).toMatch(
      /may not be read.*chmod -R u\+rX/,
    )
    await server().output('chmod 700 dark')
    expect((await server().call('write_file', { path: 'a.txt', content: 'x' })).isError).toBe(false)
  })
})

describe('a workspace whose size the kernel holds', () => {
  const options = 'type=tmpfs device=tmpfs o=size={size},nr_inodes={files},uid={uid},gid={uid},mode=700'
  const server = installation.useServer({
    env: { SANDBOX_WORKSPACE_SIZE: '16MiB', SANDBOX_WORKSPACE_FILES: '500', SANDBOX_VOLUME_OPTIONS: options },
  })

  test('takes not a byte more, from whatever writes', async () => {
    const { exit_code: exitCode, stderr } = await server().exec('head -c 1G /dev/zero > big')
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('No space left on device'),
    })
    expect(await server().output('stat -f -c "%b %S" .')).toBe(`${(16 * MIB) / 4096} 4096`)
    expect(await server().refusal('write_file', { path: 'a.txt', content: 'x'.repeat(9000) })).toMatch(/^disk_full: /)
    expect(await server().refusal('upload', { path: 'b.txt', content: 'x'.repeat(9000) })).toMatch(/^disk_full: /)
    await server().output('rm big')
    expect((await server().call('write_file', { path: 'a.txt', content: 'x' })).isError).toBe(false)
  })

  test('has no more inodes either', async () => {
    const { exit_code: exitCode } = await server().exec('mkdir many && cd many && seq 600 | xargs touch')
    expect(exitCode).not.toBe(0)
    expect(await server().refusal('write_file', { path: 'b.txt', content: 'x' })).toMatch(/^disk_full: /)
    await server().output('rm -r many')
  })

  test('does not stand for the engine’s disk', async () => {
    await server().exec('head -c 1G /dev/zero > big')
    await server().call('sandbox_info')
    expect(await server().refusal('write_file', { path: 'a.txt', content: 'x'.repeat(9000) })).not.toMatch(
      /engine_disk_full/,
    )
    await server().output('rm big')
  })
})

/** An ext4 file system in a file, as a block device of this machine; undefined where that cannot be had. */
async function loopDevice(bytes: number, uid: number): Promise<LoopDevice | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'sandbox-mcp-loop-'))
  const image = join(directory, 'image')
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    await (await open(image, 'w')).close()
    await truncate(image, bytes)
    await execute('mkfs.ext4', ['-q', '-F', '-m', '0', '-E', `root_owner=${uid}:${uid}`, image])
    const { stdout } = await execute('losetup', ['--find', '--show', image])
    const path = stdout.trim()
    return {
      path,
      async [Symbol.asyncDispose]() {
        await execute('losetup', ['--detach', path])
        await remove()
      },
    }
  } catch {
    // Not root, no such program, or no loop device in this container.
    await remove()
    return undefined
  }
}

interface LoopDevice extends AsyncDisposable {
  readonly path: string
}

test('a workspace on a block device of its own is as large as that', async (context) => {
  const user = installation.newUser()
  const identity = installation.identityOf(user)
  const uid = uidOf(identity, await installation.engine.info())
  await using device = await loopDevice(32 * MIB, uid)
  if (!device) throw context.skip('no loop device here')
  await using server = await installation.start({
    user,
    env: { SANDBOX_WORKSPACE_SIZE: '32MiB', SANDBOX_VOLUME_OPTIONS: `type=ext4 device=${device.path}` },
  })
  const { exit_code: exitCode, stderr } = await server.exec('head -c 100M /dev/zero > big')
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('No space left') })
  expect(await server.refusal('write_file', { path: 'a.txt', content: 'x'.repeat(9000) })).toMatch(/^disk_full: /)
  await server.output('rm big; echo kept > kept.txt')
  // root's lost+found may not be read, and hides nothing of the user's.
  const { structured } = await server.call('sandbox_info')
  expect(structured.use.workspace_bytes).toBeLessThan(MIB)
  // The files outlive the container, as on any other volume.
  expect((await server.call('sandbox_manage', { action: 'restart' })).isError).toBe(false)
  expect(await server.output('cat kept.txt')).toBe('kept')
  expect((await server.call('sandbox_manage', { action: 'destroy' })).isError).toBe(false)
})

test('below the floor of the engine’s disk nothing is written, and everything is read and deleted', async () => {
  await using server = await installation.start({ user: installation.newUser() })
  await server.call('write_file', { path: 'kept.txt', content: 'old' })
  await using low = await installation.start({ user: server.user, env: { SANDBOX_DISK_FLOOR: '100TiB' } })
  await low.output('echo by a command > c.txt')
  await expect
    .poll(async () => (await low.call('write_file', { path: 'a.txt', content: 'x' })).text, { timeout: 20_000 })
    .toMatch(/^engine_disk_full: .* 100 TiB are kept free\./)
  for (const [tool, args] of WRITES) expect(await low.refusal(tool, args)).toMatch(/^engine_disk_full: /)
  expect((await low.call('read_file', { path: 'kept.txt' })).text).toContain('old')
  await low.output('rm kept.txt')
  expect((await server.call('write_file', { path: 'a.txt', content: 'x' })).isError).toBe(false)
})
