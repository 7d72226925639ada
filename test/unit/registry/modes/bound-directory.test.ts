import { chmod, chown, mkdir, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type BindScene, checkDirectory } from '../../../../src/registry/modes/bound-directory.ts'
import { BRIDGE_UID } from '../../../../src/supervisor/protocol.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts'

const SCENE: BindScene = {
  engineIsLocal: true,
  info: { rootDir: '/data/engine', userNamespaces: false },
  secrets: [],
  directories: [],
}
const isRoot = process.getuid?.() === 0
const PERSON = isRoot ? 1234 : (process.getuid?.() ?? 0)

/** A directory of a person's. */
async function projectOf(uid = PERSON, gid = uid): Promise<string> {
  const directory = temporaryDirectory()
  if (isRoot) await chown(directory, uid, gid)
  return directory
}

async function refusal(directory: string, scene: Partial<BindScene> = {}): Promise<string> {
  return (await expectCode(checkDirectory(directory, { ...SCENE, ...scene }), 'config_invalid')).message
}

test.runIf(isRoot)('the sandbox runs as the owner of the directory, who so owns what is written', async () => {
  const directory = await projectOf(1234, 100)
  expect(await checkDirectory(directory, SCENE)).toEqual({ directory, uid: 1234, gid: 100 })
  // The group of root would open what root's group may read.
  expect(await checkDirectory(await projectOf(1234, 0), SCENE)).toMatchObject({ uid: 1234, gid: 1234 })
})

test('a link is followed once, and what it leads to is what is mounted', async () => {
  const directory = await projectOf()
  const link = join(temporaryDirectory(), 'link')
  await symlink(directory, link)
  expect((await checkDirectory(link, SCENE)).directory).toBe(directory)
})

describe('refused are', () => {
  test.each([
    '/',
    '/etc',
    '/usr/share',
    '/proc/self',
    '/var/lib/docker/volumes',
    '/run',
    '/home',
    '/tmp',
    '/opt',
    homedir(),
    join(homedir(), '.ssh'),
  ])('%s', async (directory) => {
    expect(await refusal(directory)).toMatch(
      /cannot be a workspace: (it is, is in, or holds|it is no single|it is not there)/,
    )
  })

  test('links to such a directory', async () => {
    const link = join(temporaryDirectory(), 'innocent')
    await symlink('/etc', link)
    expect(await refusal(link)).toContain('/etc')
  })

  test('what holds the engine’s data or socket, or is in it', async () => {
    const directory = await projectOf()
    await mkdir(join(directory, 'engine', 'volumes'), { recursive: true })
    const rootDir = join(directory, 'engine')
    expect(await refusal(directory, { info: { rootDir, userNamespaces: false } })).toContain(rootDir)
    expect(await refusal(join(rootDir, 'volumes'), { info: { rootDir, userNamespaces: false } })).toContain(rootDir)
    const socket = join(directory, 'docker.sock')
    await writeFile(socket, '')
    expect(await refusal(directory, { secrets: [socket] })).toContain(socket)
  })

  test('what is in another user’s directory, or holds it: that user could swap it for a link', async () => {
    const outer = await projectOf()
    const inner = join(outer, 'inner')
    await mkdir(inner)
    if (isRoot) await chown(inner, PERSON, PERSON)
    expect(await refusal(inner, { directories: [outer, inner] })).toContain('another user’s')
    expect(await refusal(outer, { directories: [outer, inner] })).toContain('another user’s')
    expect((await checkDirectory(inner, { ...SCENE, directories: [inner, inner] })).directory).toBe(inner)
  })

  test('what is below a directory that everybody may rename things in', async () => {
    const directory = await projectOf()
    const below = join(directory, 'open', 'project')
    await mkdir(below, { recursive: true })
    if (isRoot) await chown(below, PERSON, PERSON)
    expect((await checkDirectory(below, SCENE)).uid).toBe(PERSON)
    await chmod(join(directory, 'open'), 0o777)
    expect(await refusal(below)).toContain('everybody may rename')
    await chmod(join(directory, 'open'), 0o1777)
    expect((await checkDirectory(below, SCENE)).uid).toBe(PERSON)
  })

  test.runIf(isRoot)('root’s directories, and those of the bridge’s user', async () => {
    expect(await refusal(await projectOf(0))).toContain('root')
    expect(await refusal(await projectOf(BRIDGE_UID))).toContain('user of this program')
  })

  test('files, and what is not there', async () => {
    const directory = await projectOf()
    await writeFile(join(directory, 'file'), '')
    expect(await refusal(join(directory, 'file'))).toContain('no directory')
    expect(await refusal(join(directory, 'none'))).toContain('not there')
  })

  test('all of them on an engine elsewhere, or one that maps uids', async () => {
    const directory = await projectOf()
    expect(await refusal(directory, { engineIsLocal: false })).toContain('another machine')
    expect(await refusal(directory, { info: { rootDir: '/x', userNamespaces: true } })).toContain('maps uids')
  })
})
