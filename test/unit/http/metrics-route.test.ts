import { expect, test } from 'vitest'
import { authenticateNobody } from '../../../src/http/auth/none.ts'
import type { Authenticator } from '../../../src/http/auth/authenticator.ts'
import { metricsRoute } from '../../../src/http/metrics-route.ts'
import type { Scope } from '../../../src/http/principal.ts'
import { startFront } from '../../helpers/http-front.ts'

const page = { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: () => Promise.resolve('up 1\n') }

function callerWith(...scopes: Scope[]): Authenticator {
  const principal = { user: 'ada', scopes: new Set(scopes), ended: new AbortController().signal }
  return { ...authenticateNobody(), authenticate: () => principal }
}

async function scrape(path: string, authenticator: Authenticator, metrics = page) {
  const address = await startFront({ authenticator, routes: { metrics: metricsRoute(metrics) } })
  const answer = await fetch(`${address.origin}${path}`)
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() }
}

test('the operator gets the text with the type that Prometheus asks for', async () => {
  expect(await scrape('/metrics', callerWith('sandbox:use', 'sandbox:admin'))).toEqual({
    status: 200,
    type: page.contentType,
    text: 'up 1\n',
  })
})

test.each(['/metrics', '/metrics/', '/METRICS', '/metrics?x', '/%6Detrics', '//metrics'])(
  'a user of a sandbox does not, whatever the spelling: %s',
  async (path) => {
    const { status, text } = await scrape(path, callerWith('sandbox:use'))
    expect(status).toBeGreaterThanOrEqual(400)
    expect(text).not.toContain('up 1')
  },
)

test('a failure is told as any other, without its text', async () => {
  const failing = { ...page, text: () => Promise.reject(new Error('a bug in /srv/app')) }
  const { status, text } = await scrape('/metrics', callerWith('sandbox:admin'), failing)
  expect(status).toBe(500)
  expect(JSON.parse(text)).toMatchObject({ error: { code: 'internal' } })
  expect(text).not.toContain('/srv')
})
