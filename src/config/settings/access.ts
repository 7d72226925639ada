import { isIP } from 'node:net'
import * as z from 'zod'
import { duration, httpUrl, list, orEmpty, path, truth } from '../fields.ts'
import type { Settings } from './setting.ts'

/** A host without its port: what a Host header is compared with. */
const hostName = z
  .string()
  .regex(/^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])$/, 'give a host name without a port, such as "sandbox.example.com"')
  .transform((given) => given.toLowerCase())

/** Scheme, host and port as a browser sends them (RFC 6454 section 6.2): in lower case, a port only where it is not the scheme's own. */
const origin = z
  .string()
  .refine(
    (given) => URL.canParse(given) && new URL(given).origin === given,
    'give an origin, such as "https://app.example.com", without a path or a final slash',
  )

/** An address, or a range of them in CIDR form. */
const addressRange = z.string().refine((given) => {
  const [address = '', bits, ...more] = given.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}, 'give an address such as "10.0.0.7", or a range such as "10.0.0.0/8"')

/** JWS algorithms (RFC 7518, RFC 8037) whose keys are pairs. */
const SIGNATURES = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** Who may call over HTTP, by which name, and how that is found out. */
export const ACCESS = {
  auth: {
    schema: z.enum(['none', 'tokens', 'jwt', 'proxy']),
    fallback: 'none',
    about:
      'How HTTP finds out who a caller is: none (everybody is anonymous; loopback only), tokens (of the tokens file), jwt (of an ' +
      'authorization server), proxy (a header of a reverse proxy).',
  },
  insecure: {
    schema: truth,
    fallback: '',
    isSwitch: true,
    about: 'Allows --auth none on other addresses than loopback: whoever reaches the port gets sandboxes.',
  },
  allowedHosts: {
    schema: list(hostName),
    fallback: '',
    about:
      'Names that clients may use for this server in the Host header, beside loopback names, --host and the public URL.',
  },
  allowedOrigins: {
    schema: list(origin),
    fallback: '',
    about: 'Web origins whose pages may call this server (CORS), such as https://app.example.com.',
  },
  publicUrl: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about: 'URL by which clients reach this server, when it is another one than it listens on: behind a reverse proxy.',
  },
  trustedProxies: {
    schema: list(addressRange),
    fallback: '',
    about:
      'Addresses of reverse proxies, such as 10.0.0.7 or 10.0.0.0/8: what they say about a client (its address; with --auth proxy ' +
      'its user) is believed.',
  },
  tokensFile: {
    schema: path,
    fallback: '~/.sandbox-mcp/tokens.json',
    about: 'File of --auth tokens, kept by `sandbox-mcp token`; followed while the server runs.',
  },
  jwtIssuer: {
    schema: list(z.string().regex(/^\S+$/, 'give an issuer without spaces')),
    fallback: '',
    about:
      'Issuers whose tokens --auth jwt takes, exactly as in the claim iss. With several the issuer is part of the user’s name.',
  },
  jwtAudience: {
    schema: list(z.string()),
    fallback: '',
    about: 'What the claim aud of a token has to name: this server, mostly by its URL. Any one of these.',
  },
  jwtJwks: {
    schema: list(path),
    fallback: '',
    about:
      'Public keys of each issuer, in the same order: the https URL of a JSON Web Key Set, or a file, which is followed.',
  },
  jwtUserClaim: {
    schema: z.string().min(1),
    fallback: 'sub',
    about: 'Claim that says who the user is. It must never be given to another person, as sub never is.',
  },
  jwtAlgorithms: {
    schema: list(z.enum(SIGNATURES)),
    fallback: 'RS256,PS256,ES256,EdDSA',
    about: 'Signatures that a token may have. Those with shared secrets, and none, are not on offer.',
  },
  jwtClockTolerance: {
    schema: duration(0),
    fallback: '30s',
    about: 'By how much the clocks of issuer and server may differ.',
  },
  proxyUserHeader: {
    schema: z.string().regex(/^[A-Za-z0-9-]+$/, 'give the name of a header'),
    fallback: 'X-Forwarded-User',
    about:
      'Header in which the proxy of --auth proxy names the user. The proxy has to remove it from what clients send.',
  },
  proxySecret: {
    schema: orEmpty(z.string().min(16, 'give at least 16 characters')),
    fallback: '',
    secret: true,
    about: 'Secret that the proxy sends in X-Sandbox-Proxy-Secret, beside or in place of its address.',
  },
  proxyAdmins: {
    schema: list(z.string()),
    fallback: '',
    about: 'Users of --auth proxy who have the scope sandbox:admin, too.',
  },
  tlsCert: {
    schema: orEmpty(path),
    fallback: '',
    about: 'File with the certificate chain (PEM) for https; followed, so that a renewed one is used at once.',
  },
  tlsKey: { schema: orEmpty(path), fallback: '', about: 'File with the private key (PEM) of the certificate.' },
} as const satisfies Settings
