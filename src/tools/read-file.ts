import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes } from '../lib/units.ts'
import { makeVisible } from '../lib/visible-text.ts'
import { formatVersion } from '../sandbox/files.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import * as fields from './fields.ts'
import { MAGIC_BYTES, typeByMagic } from './file-type.ts'
import { imageBlock, MAX_IMAGE_FILE_BYTES } from './images/image-block.ts'
import { IMAGE_MAGIC_BYTES, imageType } from './images/image-type.ts'
import { hasCrlf, MAX_LINE_BYTES, numberLines } from './render/file-lines.ts'
import { defineTool, type PlainOutcome, type ToolContext } from './tool.ts'

const DEFAULT_LINES = 1000
const MAX_LINES = 10_000
const MAX_TEXT_BYTES = 64 * 1024
/** base64 of more would not fit the tokens of one result. */
const MAX_BASE64_BYTES = 20 * 1024
const MAX_LINE_NUMBER = 1_000_000_000

const input = z.strictObject({
  path: fields.path,
  offset: z
    .int()
    .min(-MAX_LINE_NUMBER)
    .max(MAX_LINE_NUMBER)
    .refine((line) => line !== 0, 'lines count from 1, or from -1 backwards')
    .default(1)
    .describe('First line; negative: from the end.'),
  limit: z.int().min(1).max(MAX_LINES).default(DEFAULT_LINES).describe('Lines.'),
  as: z.enum(['auto', 'text', 'image', 'base64']).default('auto'),
})

type Lines = Awaited<ReturnType<Sandbox['files']['readLines']>>

export const readFile = defineTool({
  name: 'read_file',
  title: 'Read a file',
  description:
    'Read a text file with line numbers, or see an image (png, jpeg, gif, webp). At most 64 KiB and 2,000 characters of a line at ' +
    'once: page with offset and limit. The header gives lines, size and version. For a binary file it says what it is.',
  effect: { readOnly: true, destructive: false, idempotent: true, reachesNetwork: false },
  input,
  // None: an image has no structured form, and clients that prefer the structured form would not show it.
  output: undefined,

  async run(args, context) {
    if (args.as === 'base64') return readBase64(args.path, context)
    const { sandbox, signal } = context
    const range = { first: args.offset, maxLines: args.limit, maxBytes: MAX_TEXT_BYTES, maxLineBytes: MAX_LINE_BYTES }
    const lines = await sandbox.files.readLines(args.path, range, signal)
    const isText = args.as === 'text' || (args.as === 'auto' && !lines.binary && !startsAsImage(lines))
    if (isText) return textOutcome(args, lines, sandbox)
    return readBinary(args, lines, context)
  },
})

/** A few images hold no NUL byte near their start, by which binary files are known. */
function startsAsImage(lines: Lines): boolean {
  const first = lines.lines[0]
  return lines.firstLine === 1 && first !== undefined && imageType(first.kept) !== undefined
}

function textOutcome({ path, offset }: z.output<typeof input>, lines: Lines, sandbox: Sandbox): PlainOutcome {
  const { text, shown } = numberLines(lines.lines, lines.firstLine)
  const last = lines.firstLine + shown - 1
  const range =
    lines.totalLines === 0
      ? 'empty'
      : shown === 0
        ? `offset ${offset} is past the last of ${lines.totalLines} lines`
        : `lines ${lines.firstLine}–${last} of ${lines.totalLines}`
  const crlf = hasCrlf(lines.lines) ? 'CRLF line ends' : ''
  const noNewline = lines.endsWithoutNewline && last === lines.totalLines ? 'no newline at the end' : ''
  const header = headerLine(sandbox, path, lines, [range], [crlf, noNewline])
  const more = shown > 0 && last < lines.totalLines ? `[more: offset=${last + 1}]` : ''
  return { text: [header, text, more].filter((part) => part !== '').join('\n') }
}

async function readBinary(
  { path, as }: z.output<typeof input>,
  lines: Lines,
  { sandbox, signal }: ToolContext,
): Promise<PlainOutcome> {
  const start = await readStart(sandbox, path, signal)
  const type = imageType(start.subarray(0, IMAGE_MAGIC_BYTES))
  const shown = sandbox.files.shown(path)
  if (type === undefined) {
    const about = typeByMagic(start) ?? 'binary data of unknown type'
    if (as === 'image')
      throw new SandboxError('invalid_argument', `${makeVisible(shown)} is no png, jpeg, gif or webp.`)
    const fetch =
      lines.file.sizeBytes <= MAX_BASE64_BYTES
        ? '[binary: look at it with shell_exec, or read it with as=base64]'
        : '[binary: look at it with shell_exec, e.g. xxd, strings, or what its type needs]'
    return { text: `${headerLine(sandbox, path, lines, [about])}\n${fetch}` }
  }
  if (lines.file.sizeBytes > MAX_IMAGE_FILE_BYTES) {
    throw new SandboxError('too_large', `${makeVisible(shown)} is an image of ${formatBytes(lines.file.sizeBytes)}.`, {
      hint: 'Shrink it in the sandbox (Python Pillow, ImageMagick), then read the result.',
    })
  }
  const { data } = await sandbox.files.readBytes(path, MAX_IMAGE_FILE_BYTES, signal)
  const { image, about } = await imageBlock(data, type, signal)
  return { text: headerLine(sandbox, path, lines, [about]), images: [image] }
}

async function readStart(sandbox: Sandbox, path: string, signal: AbortSignal): Promise<Buffer> {
  const pieces: Buffer[] = []
  await sandbox.files.read(path, { offset: 0, length: MAGIC_BYTES }, (data) => void pieces.push(data), signal)
  return Buffer.concat(pieces)
}

async function readBase64(path: string, { sandbox, signal }: ToolContext): Promise<PlainOutcome> {
  const stat = await sandbox.files.stat(path, signal)
  if (stat.sizeBytes > MAX_BASE64_BYTES) {
    const shown = makeVisible(sandbox.files.shown(path))
    throw new SandboxError('too_large', `${shown} has ${formatBytes(stat.sizeBytes)}; base64 takes at most 20 KiB.`, {
      hint: 'Work on it with shell_exec, or cut a piece out of it with tail -c and head -c.',
    })
  }
  const { file, data } = await sandbox.files.readBytes(path, MAX_BASE64_BYTES, signal)
  return { text: `${headerLine(sandbox, path, { file }, ['base64'])}\n${data.toString('base64')}` }
}

/** `path · lines a–b of N · bytes · version`, and what else is worth saying. */
function headerLine(
  sandbox: Sandbox,
  path: string,
  { file }: Pick<Lines, 'file'>,
  about: readonly string[],
  remarks: readonly string[] = [],
): string {
  const version = file.version === 0n ? '' : `version ${formatVersion(file.version)}`
  const parts = [makeVisible(sandbox.files.shown(path)), ...about, formatBytes(file.sizeBytes), version, ...remarks]
  return parts.filter((part) => part !== '').join(' · ')
}
