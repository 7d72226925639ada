import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { connect, type ConnectionOptions } from 'node:tls'
import { describe, expect, test, vi } from 'vitest'
import { expectCode } from '../../helpers/expect-code.ts'
import { startFront } from '../../helpers/http-front.ts'
import { parseAnswer } from '../../helpers/raw-http.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'
import { temporaryDirectory } from '../../helpers/temporary-directory.ts'

// Waits for the system to tell of a change, or for timeouts of the server: more than a busy machine takes.
vi.setConfig({ testTimeout: 20_000 })

const FIXTURES = resolve(import.meta.dirname, '../../fixtures/tls')

/** A folder with the files of a server, of the certificate "one" at first. */
async function start() {
  const folder = temporaryDirectory()
  const [cert, key] = [join(folder, 'server.crt'), join(folder, 'server.key')]
  const put = (name: 'one' | 'two', kind: 'crt' | 'key') =>
    copyFileSync(join(FIXTURES, `${name}.${kind}`), kind === 'crt' ? cert : key)
  put('one', 'crt')
  put('one', 'key')
  const { logger, lines } = recordingLogger()
  const address = await startFront({ flags: { 'tls-cert': cert, 'tls-key': key }, logger })
  return { address, put, lines }
}

/** Asks over TLS; gives whose certificate it was and the answer. */
async function ask(address: URL, options: ConnectionOptions = {}) {
  const socket = connect({ host: address.hostname, port: Number(address.port), rejectUnauthorized: false, ...options })
  await once(socket, 'secureConnect')
  const name = socket.getPeerCertificate().subject.CN
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  return { name, status: parseAnswer(text).status }
}

test('with a certificate the server speaks https', async () => {
  const { address } = await start()
  expect(address.protocol).toBe('https:')
  expect(await ask(address)).toEqual({ name: 'one', status: 404 })
})

test('old versions of TLS are not spoken', async () => {
  const { address } = await start()
  const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  await expect(ask(address, old)).rejects.toThrow(/alert protocol version/)
})

test('a renewed certificate is used without a restart, once its key is there, too', async () => {
  const { address, put, lines } = await start()
  put('two', 'crt')
  await expect.poll(() => lines.filter(({ level }) => level === 'warn'), { timeout: 10_000 }).not.toEqual([])
  expect(await ask(address)).toEqual({ name: 'one', status: 404 })
  put('two', 'key')
  await expect.poll(() => ask(address), { timeout: 10_000 }).toEqual({ name: 'two', status: 404 })
})

describe('the server does not start with', () => {
  const [one, two] = [join(FIXTURES, 'one'), join(FIXTURES, 'two')]
  test.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['a certificate without a key', { 'tls-cert': `${one}.crt` }, /needs both/],
    ['a key without a certificate', { 'tls-key': `${one}.key` }, /needs both/],
    [
      'a certificate and the key of another',
      { 'tls-cert': `${one}.crt`, 'tls-key': `${two}.key` },
      /KEY_VALUES_MISMATCH/,
    ],
    [
      'a file that is no certificate',
      { 'tls-cert': join(FIXTURES, 'README.md'), 'tls-key': `${one}.key` },
      /cannot be used/,
    ],
    [
      'a file that is not there',
      { 'tls-cert': '/no/such.crt', 'tls-key': `${one}.key` },
      /TLS certificate .*\(ENOENT\)/,
    ],
  ])('%s', async (_name, flags, message) => {
    const error = await expectCode(startFront({ flags }), 'config_invalid')
    expect(error.message).toMatch(message)
  })
})
