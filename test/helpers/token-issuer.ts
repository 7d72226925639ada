import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'

export interface TokenOptions {
  readonly claims?: JWTPayload
  readonly audience?: string | string[]
  readonly issuer?: string
  /** Seconds from now, negative for the past; undefined for a token that never ends. */
  readonly expiresIn?: number | undefined
  readonly header?: Readonly<Record<string, string>>
}

/** An authorization server's key, and the tokens that it signs. */
export interface TokenIssuer {
  readonly issuer: string
  readonly jwks: { readonly keys: JWK[] }
  sign(options?: TokenOptions): Promise<string>
}

export const AUDIENCE = 'https://sandbox.example.com/mcp'

export async function newIssuer(
  issuer = 'https://issuer.example.com',
  alg = 'ES256',
  kid = 'key-1',
): Promise<TokenIssuer> {
  const { publicKey, privateKey } = await generateKeyPair(alg)
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }] }
  return {
    issuer,
    jwks,
    sign(options = {}) {
      const { claims, audience = AUDIENCE, header } = options
      const expiresIn = 'expiresIn' in options ? options.expiresIn : 600
      const token = new SignJWT({ sub: 'alice', scope: 'sandbox:use', ...claims })
        .setProtectedHeader({ alg, kid, ...header })
        .setIssuer(options.issuer ?? issuer)
        .setAudience(audience)
        .setIssuedAt()
      if (expiresIn !== undefined) token.setExpirationTime(Math.floor(Date.now() / 1000) + expiresIn)
      return token.sign(privateKey)
    },
  }
}

/** Serves a key set, as authorization servers do, until the test ends. What `keys` gives is asked for anew each time. */
export async function serveKeys(keys: () => unknown): Promise<{ url: string; requests: () => number }> {
  let requests = 0
  const server = createServer((_request, response) => {
    requests++
    const answer = keys()
    response.writeHead(answer === undefined ? 503 : 200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(answer ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`, requests: () => requests }
}
