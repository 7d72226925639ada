import { createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { hostKeyVerifier, isKnownHostKey } from '../../../../src/engine/docker/ssh-host-key.ts'

const KEY = randomBytes(51)
const OTHER = randomBytes(51)
const line = (names: string, key = KEY, marker = '') =>
  `${marker}${names} ssh-ed25519 ${key.toString('base64')} comment`
const hashed = (name: string): string => {
  const salt = randomBytes(20)
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`
}

describe('a key of an SSH host', () => {
  test.each([
    ['its plain name', line('host.example')],
    ['its name in another case', line('HOST.example')],
    ['one of several names', line('other,host.example,10.0.0.1')],
    ['its hashed name', line(hashed('host.example'))],
    ['a later line', `# comment\n\nbroken\n${line('host.example', OTHER)}\n${line('host.example')}`],
  ])('is known by %s', (_, file) => {
    expect(isKnownHostKey(file, 'host.example', KEY)).toBe(true)
  })

  test.each([
    ['the file is empty', ''],
    ['the key is another', line('host.example', OTHER)],
    ['the name is another', line('host.example.org')],
    ['the hashed name is another', line(hashed('host.example.org'))],
    ['the line is a comment', `# ${line('host.example')}`],
    ['the line is for a certificate authority', line('host.example', KEY, '@cert-authority ')],
    ['the key is revoked', `${line('host.example')}\n${line('*', KEY, '@revoked ')}`],
    ['the hash is broken', line('|1|abc')],
  ])('is not known when %s', (_, file) => {
    expect(isKnownHostKey(file, 'host.example', KEY)).toBe(false)
  })
})

describe('the verifier', () => {
  const homeDir = mkdtempSync(join(tmpdir(), 'home-'))
  afterAll(() => rmSync(homeDir, { recursive: true }))

  test('refuses every key when there is no file', () => {
    expect(hostKeyVerifier({ homeDir, host: 'host.example', port: 22 })(KEY)).toBe(false)
  })

  test('looks a host with a port of its own up by both', () => {
    mkdirSync(join(homeDir, '.ssh'))
    writeFileSync(join(homeDir, '.ssh/known_hosts'), line('[host.example]:2222'))
    expect(hostKeyVerifier({ homeDir, host: 'host.example', port: 2222 })(KEY)).toBe(true)
    expect(hostKeyVerifier({ homeDir, host: 'host.example', port: 22 })(KEY)).toBe(false)
  })
})
