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

test('a registry of crates takes the place of crates.io, with its login in a file of its own', async () => {
  const files = await sourceFiles({ cargoIndex: 'https://me:p%40ss@crates.example/index' })
  expect(files.get('cargo.toml')).toBe(
    [
      '[source.crates-io]',
      'replace-with = "sandbox-mcp"',
      '[source.sandbox-mcp]',
      'registry = "sparse+https://crates.example/index/"',
      '[registries.sandbox-mcp]',
      'index = "sparse+https://crates.example/index/"',
      '',
    ].join('\n'),
  )
  const basic = Buffer.from('me:p@ss').toString('base64')
  expect(files.get('cargo-login.toml')).toBe(
    `[registries.sandbox-mcp]\ncredential-provider = "cargo:token"\ntoken = "Basic ${basic}"\n`,
  )
})

test('the login of a registry of crates may be a token alone, or none', async () => {
  const login = async (cargoIndex: string) => (await sourceFiles({ cargoIndex })).get('cargo-login.toml')
  expect(await login('https://t%22oken@crates.example/')).toContain('token = "t\\"oken"\n')
  expect(await login('https://crates.example/')).toBe('')
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
