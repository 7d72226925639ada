import { SandboxError } from '../errors/sandbox-error.ts'
import { addToken, isExpired, readTokens, revokeToken, type StoredToken } from '../http/auth/token-file.ts'
import { type Scope, SCOPES } from '../http/principal.ts'
import { isUserName } from '../http/user-name.ts'
import { parseDuration } from '../lib/units.ts'
import { oneLine } from '../lib/visible-text.ts'
import { type Output, printTable } from './output.ts'

export interface TokenArgs {
  /** What to do, and to what: `add USER`, `list`, `revoke ID…`. */
  readonly words: readonly string[]
  readonly name: string | undefined
  /** A duration from now, such as "90d". */
  readonly expires: string | undefined
  /** Separated by commas; with or without "sandbox:". */
  readonly scope: string | undefined
}

export interface TokenDeps {
  /** Of the tokens file. */
  readonly path: string
  readonly out: Output
}

/** What `token list --json` prints for each token, and `token add --json` with the token itself. */
export interface ListedToken extends Omit<StoredToken, 'sha256'> {
  readonly expired: boolean
}

const USAGE = 'Use `token add USER`, `token list` or `token revoke ID`.'

/**
 * `sandbox-mcp token`: who may connect with `--auth tokens`. Works on the file alone, so no server has to run, and one that runs takes
 * the change at once. Of a token only its hash is kept: `add` shows it this one time.
 */
export async function token({ words, ...options }: TokenArgs, deps: TokenDeps): Promise<void> {
  const [verb, ...operands] = words
  if (verb === 'add') return add(operands, options, deps)
  if (verb === 'list' && operands.length === 0) return list(deps)
  if (verb === 'revoke' && operands.length > 0) return revoke(operands, deps)
  throw new SandboxError('invalid_argument', 'It is not clear what to do with tokens.', { hint: USAGE })
}

async function add(
  operands: readonly string[],
  { name, expires, scope }: Omit<TokenArgs, 'words'>,
  { path, out }: TokenDeps,
): Promise<void> {
  const [user, ...more] = operands
  if (user === undefined || more.length > 0)
    throw new SandboxError('invalid_argument', 'Name one user.', { hint: USAGE })
  if (!isUserName(user)) {
    throw new SandboxError('invalid_argument', 'A user’s name has at most 256 visible characters.')
  }
  if (name !== undefined && (name.length > 100 || /\p{C}/u.test(name))) {
    throw new SandboxError('invalid_argument', 'A token’s name has at most 100 visible characters.')
  }
  const made = await addToken(path, { user, name, scopes: scopesOf(scope), expires: expiryOf(expires) })
  if (out.json) return out.write(`${JSON.stringify({ ...listed(made.stored), token: made.token }, undefined, 2)}\n`)
  const until = made.stored.expires === undefined ? 'does not expire' : `expires ${made.stored.expires}`
  out.write(
    `Token ${made.stored.id} of ${user} (${made.stored.scopes.join(' ')}), ${until}. It is shown this once:\n\n`,
  )
  out.write(`${made.token}\n`)
}

function list({ path, out }: TokenDeps): void {
  const tokens = readTokens(path).map(listed)
  if (out.json) return out.write(`${JSON.stringify(tokens, undefined, 2)}\n`)
  printTable(
    out,
    ['ID', 'USER', 'NAME', 'SCOPES', 'CREATED', 'EXPIRES'],
    tokens.map(({ id, user, name = '', scopes, created, expires, expired }) => [
      id,
      user,
      name,
      scopes.join(' '),
      created,
      expires === undefined ? 'never' : `${expires}${expired ? ' (expired)' : ''}`,
    ]),
  )
}

async function revoke(ids: readonly string[], { path, out }: TokenDeps): Promise<void> {
  const revoked: ListedToken[] = []
  for (const id of ids) {
    const stored = await revokeToken(path, id)
    revoked.push(listed(stored))
    if (!out.json) out.write(`Token ${stored.id} of ${stored.user} is revoked.\n`)
  }
  if (out.json) out.write(`${JSON.stringify(revoked, undefined, 2)}\n`)
}

function listed(stored: StoredToken): ListedToken {
  const { sha256: _, ...shown } = stored
  return { ...shown, expired: isExpired(stored) }
}

function expiryOf(given: string | undefined): Date | undefined {
  if (given === undefined) return undefined
  const ms = parseDuration(given)
  const at = new Date(Date.now() + (ms ?? 0))
  if (ms === undefined || ms <= 0 || Number.isNaN(at.getTime())) {
    throw new SandboxError('invalid_argument', `"${oneLine(given, 40)}" is no duration.`, {
      hint: 'Give one such as "90d".',
    })
  }
  return at
}

function scopesOf(given: string | undefined): Scope[] {
  if (given === undefined) return ['sandbox:use']
  const wanted = given.split(',').map((each) => (each.includes(':') ? each.trim() : `sandbox:${each.trim()}`))
  const unknown = wanted.find((each) => !SCOPES.some((scope) => scope === each))
  if (unknown !== undefined) {
    throw new SandboxError('invalid_argument', `There is no scope "${oneLine(unknown, 40)}".`, {
      hint: `Scopes are ${SCOPES.join(' and ')}.`,
    })
  }
  return SCOPES.filter((scope) => wanted.includes(scope))
}
