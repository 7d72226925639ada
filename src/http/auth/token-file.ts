import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { SCOPES } from '../principal.ts'
import { isUserName } from '../user-name.ts'
import { replaceFile, withFileLock } from './replace-file.ts'

/** So that people and scanners of leaked secrets know one when they see it. */
const TOKEN_PREFIX = 'smcp_'
/** 256 bits: beyond guessing, so a plain hash keeps it as well as a slow one would, at a cost that fits into every request. */
const TOKEN_BYTES = 32
const ID_BYTES = 4
const MAX_NAME_CHARACTERS = 100

const storedToken = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{8}$/),
  user: z.string().refine(isUserName),
  /** What the operator calls it: "alice's laptop". */
  name: z
    .string()
    .max(MAX_NAME_CHARACTERS)
    .regex(/^\P{C}*$/u)
    .optional(),
  scopes: z.array(z.enum(SCOPES)).min(1),
  /** Of the whole token. The token itself is nowhere. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  created: z.iso.datetime(),
  expires: z.iso.datetime().optional(),
})

const tokenFile = z.strictObject({ tokens: z.array(storedToken) })

/** One token as the file has it. */
export type StoredToken = Readonly<z.output<typeof storedToken>>

export interface NewToken {
  readonly user: string
  readonly name?: string | undefined
  readonly scopes: StoredToken['scopes']
  readonly expires?: Date | undefined
}

/** The tokens of a file's content. Throws `config_invalid`, whose message ends a sentence that begins with the file. */
export function parseTokenFile(bytes: Buffer): readonly StoredToken[] {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new SandboxError('config_invalid', 'is not valid JSON.', { cause })
  }
  const parsed = tokenFile.safeParse(json)
  if (!parsed.success) {
    const at = parsed.error.issues[0]?.path.join('.') ?? ''
    throw new SandboxError('config_invalid', `is no list of tokens${at === '' ? '' : ` (at ${at})`}.`)
  }
  const { tokens } = parsed.data
  for (const key of ['id', 'sha256'] as const) {
    if (new Set(tokens.map((token) => token[key])).size < tokens.length) {
      throw new SandboxError('config_invalid', `has two tokens of one ${key}.`)
    }
  }
  return tokens
}

/** What the file keeps of a token, and what a request's token is looked up by. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

export function isExpired({ expires }: StoredToken, now = Date.now()): boolean {
  return expires !== undefined && Date.parse(expires) <= now
}

/** The tokens of a file; none while it is not there. */
export function readTokens(path: string): readonly StoredToken[] {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
    throw new SandboxError('config_invalid', `The token file ${path} cannot be read.`, { cause })
  }
  try {
    return parseTokenFile(bytes)
  } catch (cause) {
    throw new SandboxError('config_invalid', `The token file ${path} ${(cause as Error).message}`, { cause })
  }
}

/** Makes a token and adds it to the file, which is made where there is none. The token is returned and kept nowhere. */
export async function addToken(path: string, wanted: NewToken): Promise<{ token: string; stored: StoredToken }> {
  const token = `${TOKEN_PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}`
  return withFileLock(path, () => {
    const tokens = readTokens(path)
    const stored: StoredToken = {
      id: newId(tokens),
      user: wanted.user,
      ...(wanted.name !== undefined && { name: wanted.name }),
      scopes: wanted.scopes,
      sha256: hashToken(token).toString('hex'),
      created: new Date().toISOString(),
      ...(wanted.expires && { expires: wanted.expires.toISOString() }),
    }
    writeTokens(path, [...tokens, stored])
    return { token, stored }
  })
}

/** Takes a token out of the file: from then on it is like one that never was. `not_found` when there is none of this id. */
export async function revokeToken(path: string, id: string): Promise<StoredToken> {
  return withFileLock(path, () => {
    const tokens = readTokens(path)
    const revoked = tokens.find((token) => token.id === id)
    if (!revoked) {
      throw new SandboxError('not_found', 'There is no token with this id.', { hint: 'See `sandbox-mcp token list`.' })
    }
    writeTokens(
      path,
      tokens.filter((token) => token !== revoked),
    )
    return revoked
  })
}

function newId(tokens: readonly StoredToken[]): string {
  const id = randomBytes(ID_BYTES).toString('hex')
  return tokens.some((token) => token.id === id) ? newId(tokens) : id
}

/** Checked as it will be read, so that no argument of an operator can make a file that locks everybody out. */
function writeTokens(path: string, tokens: readonly StoredToken[]): void {
  const bytes = Buffer.from(`${JSON.stringify({ tokens }, undefined, 2)}\n`)
  parseTokenFile(bytes)
  replaceFile(path, bytes)
}
