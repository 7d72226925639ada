import { isUtf8 } from 'node:buffer'
import { posix } from 'node:path'
import type { ErrorCode } from '../errors/codes.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { oneLine } from '../lib/visible-text.ts'
import type { Admission } from '../registry/admission.ts'
import type { Caller } from '../registry/caller.ts'
import type { SandboxLease, SandboxProvider } from '../registry/lease.ts'
import { mediaTypeOfBytes, mediaTypeOfName, mediaTypeOfText } from './media-type.ts'
import type { ResourceContents, ResourceListing } from './protocol.ts'
import { type Completion, MAX_COMPLETIONS, type ResourceProvider } from './resources.ts'

export interface WorkspaceDeps {
  readonly provider: SandboxProvider
  readonly admission: Admission
}

const WORKSPACE = '/workspace'
const PREFIX = `sandbox://${WORKSPACE}/`
/** Reserved expansion (RFC 6570 section 3.2.3): a path's slashes stay. */
const TEMPLATE = `${PREFIX}{+path}`
const VARIABLE = 'path'

/** There are clients that read every resource that is listed, each time they connect: so few, and small ones. */
const MAX_LISTED = 20
const MAX_LISTED_BYTES = 64 * 1024
/** What the list is chosen from: the newest entries, so many levels deep. */
const LIST_SCAN = 500
const LIST_DEPTH = 8
/** As base64 it is a million characters, the most that the clients take which say so. */
const MAX_READ_BYTES = 768 * 1024
const COMPLETION_SCAN = 1000

/**
 * The files of the caller's workspace as resources, `sandbox:///workspace/…`. Listing and completing look at a sandbox that runs, and start none:
 * clients do both on their own, before anybody wants anything. Reading one URI is asked for, so it wakes the sandbox of a user who has one;
 * it never makes a first one. Like a tool call, each counts for the caps on calls.
 */
export function workspaceResource({ provider, admission }: WorkspaceDeps): ResourceProvider {
  /** Does it with the sandbox as it is; undefined when there is none. */
  const within = <T>(
    { user }: Caller,
    wake: boolean,
    signal: AbortSignal,
    work: (lease: SandboxLease) => Promise<T>,
  ): Promise<T | undefined> =>
    admission.run(user, signal, async (place) => {
      const lease = await provider.acquireExisting(user, { wake, signal, place })
      try {
        return lease && (await work(lease))
      } finally {
        lease?.release()
      }
    })

  return {
    templates: [
      {
        uriTemplate: TEMPLATE,
        name: 'workspace',
        title: 'Files of the workspace',
        description:
          'A file below /workspace, as text or as base64. Reading it creates no sandbox, but wakes a sleeping one.',
      },
    ],

    async list(caller, signal) {
      const listed = within(caller, false, signal, ({ sandbox }) => listNewest(sandbox.files, signal))
      return (await orNone(listed)) ?? []
    },

    async read(caller, uri, signal) {
      const path = pathOf(uri)
      if (path === undefined) return undefined
      const contents = await within(caller, true, signal, ({ sandbox }) => readFile(sandbox.files, uri, path, signal))
      if (contents) return [contents]
      throw new SandboxError('not_found', 'There is no sandbox yet, and so no file in it.', {
        hint: 'The first call of a tool creates the sandbox.',
      })
    },

    async complete(caller, request, signal) {
      if (request.variable !== VARIABLE) return []
      const found = within(caller, false, signal, ({ sandbox }) => completePath(sandbox.files, request, signal))
      return (await orNone(found)) ?? []
    },
  }
}

const IN_TYPING: ReadonlySet<ErrorCode> = new Set(['not_found', 'permission_denied', 'invalid_argument'])

type Files = SandboxLease['sandbox']['files']

/** What cannot be reached now is not offered: a client that lists when it connects would fail as a whole. Reading says what is wrong. */
async function orNone<T>(found: Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (isSandboxError(error) && error.facts.kind === 'unavailable') return undefined
    throw error
  }
}

/** The newest small files. Hidden ones are left out, and node_modules, which the sandbox folds; names that no URI can carry, too. */
async function listNewest(files: Files, signal: AbortSignal): Promise<ResourceListing[]> {
  const spec = { depth: LIST_DEPTH, hidden: false, sort: 'mtime', limit: LIST_SCAN, skip: 0, globs: [] } as const
  const { entries } = await files.list(WORKSPACE, spec, signal)
  return entries
    .filter(({ type, sizeBytes, path }) => type === 'file' && sizeBytes <= MAX_LISTED_BYTES && isUtf8(path))
    .slice(0, MAX_LISTED)
    .map(({ path, sizeBytes }) => {
      const below = path.toString('utf8')
      const mimeType = mediaTypeOfName(below)
      return { uri: uriOf(below), name: oneLine(below), size: sizeBytes, ...(mimeType !== undefined && { mimeType }) }
    })
}

async function readFile(files: Files, uri: string, path: string, signal: AbortSignal): Promise<ResourceContents> {
  const { data } = await files.readBytes(path, MAX_READ_BYTES, signal)
  // NUL is valid UTF-8, but in no text.
  return isUtf8(data) && !data.includes(0)
    ? { uri, mimeType: mediaTypeOfText(path), text: data.toString('utf8') }
    : { uri, mimeType: mediaTypeOfBytes(path, data), blob: data.toString('base64') }
}

/** Names that begin as the last part of the value does; a directory ends in a slash, so that the next request goes on in it. */
async function completePath(files: Files, { value }: Completion, signal: AbortSignal): Promise<readonly string[]> {
  const directory = value.slice(0, value.lastIndexOf('/') + 1)
  const begun = value.slice(directory.length)
  const path = inWorkspace(directory)
  if (path === undefined) return []
  const hidden = begun.startsWith('.')
  const spec = { depth: 1, hidden, sort: 'name', limit: COMPLETION_SCAN, skip: 0, globs: [] } as const
  const { entries } = await files.list(path, spec, signal).catch((error: unknown) => {
    // What is typed need not be there, or be a path at all.
    if (isSandboxError(error) && IN_TYPING.has(error.code)) return { entries: [] }
    throw error
  })
  return entries
    .filter(({ type, path: name }) => (type === 'file' || type === 'directory') && isUtf8(name))
    .map(({ type, path: name }) => `${name.toString('utf8')}${type === 'directory' ? '/' : ''}`)
    .filter((name) => name.startsWith(begun))
    .slice(0, MAX_COMPLETIONS + 1)
    .map((name) => `${directory}${name}`)
}

/** RFC 3986: every byte of a name but the unreserved ones is escaped, so that no name can end the path or look like another. */
function uriOf(below: string): string {
  return `${PREFIX}${below.split('/').map(encodeURIComponent).join('/')}`
}

/**
 * The absolute path in the sandbox; undefined for a URI that is none of these. No URL parser has a part in it: in a path that a template was
 * expanded to, `?` and `#` stand for themselves.
 */
function pathOf(uri: string): string | undefined {
  if (!uri.startsWith(PREFIX)) return undefined
  let below: string
  try {
    below = decodeURIComponent(uri.slice(PREFIX.length))
  } catch {
    throw new SandboxError('invalid_argument', `${oneLine(uri, 80)} is not percent-encoded UTF-8.`, {
      hint: 'A file whose name is not UTF-8 can be reached with shell_exec.',
    })
  }
  return inWorkspace(below)
}

/** Dot segments are resolved first (RFC 3986 section 5.2.4), so that one file has one URI; undefined for what lies outside. */
function inWorkspace(below: string): string | undefined {
  const path = posix.resolve(WORKSPACE, `./${below}`)
  return path === WORKSPACE || path.startsWith(`${WORKSPACE}/`) ? path : undefined
}
