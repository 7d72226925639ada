import { createHash } from 'node:crypto'
import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { otherDigest } from '../sandbox/arriving.ts'
import { formatBytes } from '../lib/units.ts'
import { contentBytes } from './content.ts'
import * as fields from './fields.ts'
import { uploadHostFile, type UploadSpec, uploadTicket } from './handover/upload-other-ways.ts'
import { visibleName } from './render/file-name.ts'
import { footerLine } from './render/text.ts'
import { defineTool, type ToolContext } from './tool.ts'

/** What travels well inside a message, and is worth its tokens. */
const MAX_CONTENT_BYTES = 256 * 1024
const SHA256 = /^[0-9a-f]{64}$/i

interface ContentArguments extends UploadSpec {
  readonly content: string
  readonly encoding: 'utf-8' | 'base64'
}

export const upload = defineTool({
  name: 'upload',
  title: 'Upload a file',
  description:
    'Put a file, or the content of an archive, into the sandbox byte for byte. Exactly one of: content (at most 256 KiB, base64 for ' +
    'binary data); host_path (stdio: a file of the user’s machine, where allowed); ticket (HTTP: a one-time URL for curl, any size). ' +
    'With sha256 nothing is written unless it matches. With extract, path is the directory to unpack into.',
  effect: { readOnly: false, destructive: true, idempotent: true, reachesNetwork: false },
  input: z.strictObject({
    path: fields.path,
    content: z.string().optional(),
    encoding: fields.encoding,
    host_path: z.string().optional(),
    ticket: z.boolean().default(false),
    sha256: z.string().regex(SHA256, 'give 64 hexadecimal digits').optional().meta({ pattern: undefined }),
    extract: z.enum(['tar', 'tar.gz', 'zip']).optional(),
    overwrite: z.boolean().default(true),
  }),
  output: z.object({
    path: z.string(),
    bytes: z.number().optional(),
    sha256: z.string().optional(),
    files_extracted: z.number().optional(),
    bytes_extracted: z.number().optional(),
    put_url: z.string().optional(),
    expires_at: z.string().optional(),
    curl: z.string().optional(),
  }),

  async run(args, context) {
    const { content, host_path: hostPath, ticket, path, sha256, extract, overwrite } = args
    const given = [content, hostPath, ticket || undefined].filter((way) => way !== undefined)
    if (given.length !== 1) {
      throw new SandboxError('invalid_argument', 'Give exactly one of content, host_path and ticket=true.')
    }
    const spec = { path, sha256, extract, overwrite }
    if (hostPath !== undefined) return uploadHostFile(spec, hostPath, context)
    if (content === undefined) return uploadTicket(spec, context)
    return uploadContent({ ...args, content }, context)
  },
})

async function uploadContent(args: ContentArguments, { sandbox, signal }: ToolContext) {
  const data = checkedContent(args.content, args.encoding)
  const sha256 = createHash('sha256').update(data).digest('hex')
  checkDigest(args.sha256, sha256)
  const { files } = sandbox
  const path = files.shown(args.path)
  const base = { path, bytes: data.length, sha256 }
  const footer = footerLine([formatBytes(data.length), `sha256 ${sha256}`])
  if (args.extract !== undefined) {
    const options = { overwrite: args.overwrite, maxBytes: data.length }
    const extracted = await sandbox.transfer.extract(once(data), args.extract, args.path, options, signal)
    return {
      text: `${extracted.files} files (${formatBytes(extracted.bytes)}) extracted into ${visibleName(path)}.`,
      footer,
      structured: { ...base, files_extracted: extracted.files, bytes_extracted: extracted.bytes },
    }
  }
  const written = await files.write(args.path, data, { mode: args.overwrite ? 'overwrite' : 'create' }, signal)
  return { text: `${visibleName(path)} ${written.created ? 'created' : 'overwritten'}.`, footer, structured: base }
}

async function* once(data: Buffer): AsyncIterable<Buffer> {
  yield await Promise.resolve(data)
}

function checkedContent(content: string, encoding: 'utf-8' | 'base64'): Buffer {
  // base64 grows by a third, so a text beyond that is too long before it is decoded.
  const data = content.length > MAX_CONTENT_BYTES * 2 ? undefined : contentBytes(content, encoding)
  if (data !== undefined && data.length <= MAX_CONTENT_BYTES) return data
  throw new SandboxError('too_large', 'content is larger than 256 KiB.', {
    hint: 'Send a compressed archive with extract, or several pieces with write_file mode=append.',
  })
}

function checkDigest(expected: string | undefined, actual: string): void {
  if (expected === undefined || expected.toLowerCase() === actual) return
  throw otherDigest(actual)
}
