import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sourceFiles } from '../../../src/runtimes/package-sources.ts'
import { expectCode } from '../../helpers/expect-code.ts'

test('without settings there are no files, and every tool keeps its default', async () => {
  expect([...(await sourceFiles({}))]).toEqual([])
})

test('the first Python index takes the place of the default, others are added', async () => {
  const files = await sourceFiles({
    pipIndexes: ['http://user:secret@a/simple', 'https://b/simple', 'https://c/simple'],
    pipTrustedHosts: ['a', 'b:8080'],
  })
  expect(files.get('pip.conf')).toBe(
    [
      '[global]',
      'index-url = http://user:secret@a/simple',
      'extra-index-url = https://b/simple https://c/simple',
      'trusted-host = a b:8080',
      '',
    ].join('\n'),
  )
})

test('the password of an npm registry goes where npm looks for it', async () => {
  const files = await sourceFiles({ npmRegistry: 'https://me:p%40ss@npm.example.com/repo' })
  const auth = Buffer.from('me:p@ss').toString('base64')
  expect(files.get('npmrc')).toBe(`registry=https://npm.example.com/repo/\n//npm.example.com/repo/:_auth=${auth}\n`)
  expect((await sourceFiles({ npmRegistry: 'https://npm.example.com' })).get('npmrc')).toBe(
    'registry=https://npm.example.com/\n',
  )
})

test('a mirror of Debian is given without a slash at its end', async () => {
  expect((await sourceFiles({ aptMirror: 'http://mirror/' })).get('apt-mirror')).toBe('http://mirror\n')
})

test('certificates are passed on as they are, and a missing file is a fault of the configuration', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sandbox-mcp-'))
  try {
    const path = join(dir, 'ca.pem')
    await expectCode(sourceFiles({ certificatesFile: path }), 'config_invalid')
    await writeFile(path, 'certificates')
    expect(String((await sourceFiles({ certificatesFile: path })).get('ca.pem'))).toBe('certificates')
  } finally {
    await rm(dir, { recursive: true })
  }
})
