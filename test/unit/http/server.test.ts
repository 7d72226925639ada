import express, { type RequestHandler } from 'express'
import { describe, expect, test } from 'vitest'
import { credentialMissing, type Authenticator } from '../../../src/http/auth/authenticator.ts'
import { authenticateNobody } from '../../../src/http/auth/none.ts'
import type { Scope } from '../../../src/http/principal.ts'
import { startFront } from '../../helpers/http-front.ts'

const route = (path: string): RequestHandler =>
  express.Router().all(path, (_request, response) => void response.end('reached'))
const routes = {
  health: route('/healthz'),
  tickets: route('/t/:ticket'),
  metrics: route('/'),
  mcp: route('/mcp'),
  files: route('/files/a'),
}

function callerWith(...scopes: Scope[]): Authenticator {
  return {
    ...authenticateNobody(),
    authenticate: () => ({ user: 'ada', scopes: new Set(scopes), ended: new AbortController().signal }),
  }
}
const nobody: Authenticator = {
  ...authenticateNobody(),
  authenticate: () => {
    throw credentialMissing()
  },
}

async function statusOf(path: string, authenticator: Authenticator): Promise<number> {
  const { status } = await fetch(new URL(path, await startFront({ routes, authenticator })))
  return status
}

describe('who gets where', () => {
  test.each<[string, [nobody: number, user: number, admin: number]]>([
    ['/healthz', [200, 200, 200]],
    ['/t/0123', [200, 200, 200]],
    ['/metrics', [401, 403, 200]],
    ['/mcp', [401, 200, 403]],
    ['/files/a', [401, 200, 403]],
    // What there is and what there is not is told only to those who may use it.
    ['/nothing', [401, 404, 403]],
    ['/.well-known/oauth-protected-resource', [401, 404, 403]],
  ])('%s answers nobody, a user and an admin with %j', async (path, expected) => {
    const callers = [nobody, callerWith('sandbox:use'), callerWith('sandbox:admin')]
    expect(await Promise.all(callers.map((caller) => statusOf(path, caller)))).toEqual(expected)
  })
})

test.each(['POST', 'PUT', 'DELETE', 'GET', 'PATCH', 'OPTIONS'])(
  'a %s without a credential is refused before its body is read',
  async (method) => {
    const address = await startFront({ routes, authenticator: nobody })
    const body =
      method === 'GET' || method === 'OPTIONS' ? {} : { body: '{}', headers: { 'Content-Type': 'application/json' } }
    const answer = await fetch(new URL('/mcp', address), { method, ...body })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="sandbox-mcp"')
  },
)
