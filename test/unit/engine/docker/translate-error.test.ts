import { describe, expect, test } from 'vitest'
import {
  BadReplyError,
  ReplyCutError,
  statusError,
  transportError,
} from '../../../../src/engine/docker/translate-error.ts'
import { SandboxError } from '../../../../src/errors/sandbox-error.ts'

const SECRET = '/var/lib/docker/overlay2/secret'

describe('an error status', () => {
  test.each([
    [400, {}, 'engine_failed'],
    [401, {}, 'engine_failed'],
    [404, {}, 'not_found'],
    [404, { 404: 'image_unavailable' }, 'image_unavailable'],
    [409, {}, 'engine_failed'],
    [409, { 409: 'already_exists' }, 'already_exists'],
    [500, {}, 'engine_failed'],
    [500, { 500: 'image_unavailable' }, 'image_unavailable'],
    [503, {}, 'engine_failed'],
  ] as const)('%i with %j becomes the code %s', (status, codes, code) => {
    expect(statusError(status, 'text', 'start the container', codes)).toMatchObject({ code, details: { status } })
  })

  test('that speaks of a full disk becomes disk_full, whatever the call makes of the status', () => {
    const text = `mkdir ${SECRET}: no space left on device`
    expect(statusError(500, text, 'create the container', { 500: 'image_unavailable' }).code).toBe('disk_full')
    // A 404 with those words is a name that somebody chose.
    expect(statusError(404, text, 'inspect').code).toBe('not_found')
  })

  test.each([400, 404, 409, 500])(
    '%i shows none of the text of the engine, and keeps a bounded part of it for the log',
    (status) => {
      const error = statusError(status, `open ${SECRET}: denied ${'x'.repeat(100_000)}`, 'start the container')
      expect(`${error.message} ${error.hint}`).not.toContain(SECRET)
      expect(error.message).toContain('start the container')
      expect(String(error.details['engineText'])).toHaveLength(2048)
    },
  )
})

describe('an error of the connection', () => {
  const failure = (code: string): Error => Object.assign(new Error(`connect ${code} ${SECRET}`), { code })

  test.each([
    ['ENOENT', /does not exist.*[Ss]tart the container engine/],
    ['ECONNREFUSED', /[Nn]othing listens.*[Ss]tart the container engine/],
    ['EACCES', /group "docker"/],
    ['ENOTFOUND', /does not resolve/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /certificate/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /certificate/],
    ['ECONNRESET', /engine/],
  ])('%s becomes engine_unreachable with a hint, and shows no path', (code, hint) => {
    const error = transportError(failure(code), 'answer a ping')
    expect(error).toMatchObject({ code: 'engine_unreachable', details: { code } })
    expect(error.hint).toMatch(hint)
    expect(`${error.message} ${error.hint}`).not.toContain(SECRET)
    expect(error.cause).toBeInstanceOf(Error)
  })

  test('of SSH becomes engine_unreachable with a hint', () => {
    const refused = Object.assign(new Error('Host denied'), { level: 'handshake' })
    expect(transportError(refused, 'answer a ping')).toMatchObject({
      code: 'engine_unreachable',
      hint: expect.stringContaining('known_hosts'),
    })
  })

  test('that cut a reply becomes engine_unreachable', () => {
    expect(transportError(new ReplyCutError('cut'), 'answer a ping').code).toBe('engine_unreachable')
  })

  test.each([new BadReplyError('not JSON'), failure('HPE_INVALID_CONSTANT'), new TypeError('x'), 'text'])(
    'that is none becomes engine_failed (%s)',
    (error) => {
      expect(transportError(error, 'answer a ping')).toMatchObject({ code: 'engine_failed', cause: error })
    },
  )

  test('that is ours already stays as it is', () => {
    const ours = new SandboxError('cancelled', 'The request was cancelled.')
    expect(transportError(ours, 'answer a ping')).toBe(ours)
  })
})
