import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../../src/config/load.ts'
import { createAuthenticator } from '../../../../src/http/auth/create.ts'
import { silentLogger } from '../../../../src/lib/logger.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

const create = (flags: Readonly<Record<string, string>>) =>
  createAuthenticator(loadConfig({ flags, env: {} }).config, silentLogger)

describe('without authentication', () => {
  test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('the server may listen on %s', async (host) => {
    const { scopes, user } = await (await create({ host })).authenticate({} as never)
    expect({ user, scopes: [...scopes] }).toEqual({ user: undefined, scopes: ['sandbox:use', 'sandbox:admin'] })
  })

  test.each(['0.0.0.0', '::', '10.0.0.7', 'sandbox.example.com', '127.0.0.1.example.com', 'localhost.example.com'])(
    'the server does not listen on %s, unless it is told that this is meant',
    async (host) => {
      const { hint } = await expectCode(create({ host }), 'config_invalid')
      expect(hint).toContain('--insecure')
      expect(await create({ host, insecure: 'true' })).toBeDefined()
    },
  )
})
