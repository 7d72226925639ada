import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { hostFiles } from '../../../../src/transports/host-files/host-files.ts'
import { createHostFile, hostName } from '../../../../src/transports/host-files/target.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts'

async function put(directory: string, name: string, content: string): Promise<string> {
  const target = await createHostFile(directory, name)
  try {
    await target.write(Buffer.from(content))
    return await target.commit()
  } finally {
    await target[Symbol.asyncDispose]()
  }
}

describe('a new file of the host', () => {
  test('is there whole, for its owner alone, and nothing beside it', async () => {
    const directory = temporaryDirectory()
    const path = await put(directory, 'a.csv', 'hello')
    expect([path, await readFile(path, 'utf8')]).toEqual([join(directory, 'a.csv'), 'hello'])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual(['a.csv'])
  })

  test('takes another name rather than the place of one that is there', async () => {
    const directory = temporaryDirectory()
    await writeFile(join(directory, 'a.tar.gz'), 'mine')
    await put(directory, 'a.tar.gz', '2')
    await put(directory, 'a.tar.gz', '3')
    expect((await readdir(directory)).sort()).toEqual(['a-2.tar.gz', 'a-3.tar.gz', 'a.tar.gz'])
    expect(await readFile(join(directory, 'a.tar.gz'), 'utf8')).toBe('mine')
  })

  test('that several calls want at once is theirs one each', async () => {
    const directory = temporaryDirectory()
    const paths = await Promise.all(Array.from({ length: 20 }, (_, at) => put(directory, 'a', String(at))))
    expect(new Set(paths).size).toBe(20)
    expect(await Promise.all(paths.map((path) => readFile(path, 'utf8')))).toEqual(paths.map((_, at) => String(at)))
  })

  test('is not to be seen under its name before it is whole, and not at all when it is given up', async () => {
    const directory = temporaryDirectory()
    const target = await createHostFile(directory, 'a')
    await target.write(Buffer.from('half'))
    expect((await readdir(directory)).map((name) => name.replace(/[0-9a-f]{18}$/, ''))).toEqual(['.sandbox-mcp-'])
    await target[Symbol.asyncDispose]()
    expect(await readdir(directory)).toEqual([])
  })

  test('in a directory that cannot be written to is refused without its path', async () => {
    const directory = temporaryDirectory()
    await writeFile(join(directory, 'file'), '')
    const { message } = await expectCode(
      hostFiles([join(directory, 'file', 'x')], 100).create('a'),
      'permission_denied',
    )
    expect(message).not.toContain(basename(directory))
  })
})

test.each([
  ['a.csv', 'a.csv'],
  ['../../etc/passwd', '_.._etc_passwd'],
  ['a/b\\c', 'a_b_c'],
  ['.bashrc', 'bashrc'],
  ['...', 'download'],
  ['', 'download'],
  ['a\nb\x1b[31m', 'a_b__31m'],
  ['résumé 1.pdf', 'résumé 1.pdf'],
  ['CON', '_CON'],
  ['nul.txt', '_nul.txt'],
  ['a.txt. . ', 'a.txt'],
  ['a:b|c?d*e"f<g>', 'a_b_c_d_e_f_g_'],
  ['\u202egpj.exe', '_gpj.exe'],
  [`${'n'.repeat(300)}.tar.gz`, `${'n'.repeat(100)}.tar.gz`],
])('a sandbox’s %j is %j on the host', (name, expected) => {
  expect(hostName(name)).toBe(expected)
})
