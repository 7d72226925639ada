import { badArchive } from './bad-archive.ts'
import type { ByteString } from './entry.ts'

/** Of everything in a tar archive (POSIX.1-2017 pax, "ustar Interchange Format"). */
export const BLOCK_BYTES = 512
const NAME_BYTES = 100
/** Largest value of the twelve bytes of an octal field. */
const MAX_OCTAL = 0o77777777777
/** More than the records of two paths and some numbers need. */
const MAX_PAX_BYTES = 16 * 1024

/** The fields of one header, in ustar and pax together. */
export interface TarHeader {
  /** "0" file · "1" hard link · "2" symbolic link · "5" directory · others are left out by the packer. */
  readonly type: string
  readonly path: ByteString
  readonly target: ByteString
  readonly mode: number
  readonly mtime: string
  /** Bytes that follow, without padding. */
  readonly size: number
  /** Size of a file with holes (GNU tar, sparse format 1.0), whose bytes begin with a map. */
  readonly sparseSize?: number
}

export function paddingOf(bytes: number): number {
  return (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES
}

/** The blocks of a header: a pax one before it where ustar cannot say it all. The owner is nobody: the sandbox decides. */
export function encodeHeader(header: TarHeader): Buffer {
  const records = paxRecords(header)
  const own = ustar(header, header.type, header.size)
  if (records.length === 0) return own
  const pax = Buffer.from(records.join(''), 'latin1')
  return Buffer.concat([ustar(header, 'x', pax.length), pax, Buffer.alloc(paddingOf(pax.length)), own])
}

function paxRecords({ path, target, size, mtime, sparseSize }: TarHeader): string[] {
  const records: [string, string][] = []
  const inPax = [
    path.length > NAME_BYTES || sparseSize !== undefined ? path : '',
    target.length > NAME_BYTES ? target : '',
  ]
  if (inPax.some((name) => /[^\0-\x7f]/.test(name))) records.push(['hdrcharset', 'BINARY'])
  if (sparseSize === undefined && path.length > NAME_BYTES) records.push(['path', path])
  if (target.length > NAME_BYTES) records.push(['linkpath', target])
  if (size > MAX_OCTAL) records.push(['size', String(size)])
  if (!isPlainTime(mtime)) records.push(['mtime', mtime])
  if (sparseSize !== undefined) {
    records.push(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'])
    records.push(['GNU.sparse.name', path], ['GNU.sparse.realsize', String(sparseSize)])
  }
  return records.map(([key, value]) => paxRecord(key, value))
}

/** "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
function paxRecord(key: string, value: ByteString): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length + 1
  while (rest.length + String(length).length !== length) length = rest.length + String(length).length
  return `${length}${rest}`
}

function isPlainTime(mtime: string): boolean {
  return mtime.endsWith('.000000000') && !mtime.startsWith('-') && Number(mtime.slice(0, -10)) <= MAX_OCTAL
}

function ustar(header: TarHeader, type: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES)
  const octal = (value: number, at: number, width: number) =>
    block.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1')
  block.write(header.path.slice(0, NAME_BYTES), 0, 'latin1')
  octal(type === 'x' ? 0o644 : header.mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size > MAX_OCTAL ? 0 : size, 124, 12)
  const seconds = Number(header.mtime.split('.', 1)[0])
  octal(seconds >= 0 && seconds <= MAX_OCTAL ? seconds : 0, 136, 12)
  block.write(type, 156, 'latin1')
  if (type !== 'x') block.write(header.target.slice(0, NAME_BYTES), 157, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** Where the header reader gets its bytes. */
export interface HeaderSource {
  take(bytes: number): Promise<Buffer>
}

/** The next header, or undefined at the end of the archive. What is not of this form is `backup_damaged`. */
export async function readHeader(source: HeaderSource): Promise<TarHeader | undefined> {
  const first = await source.take(BLOCK_BYTES)
  if (isZero(first)) {
    if (!isZero(await source.take(BLOCK_BYTES))) throw badArchive('its end')
    return undefined
  }
  const { type, size } = checked(first)
  if (type !== 'x') return combine(first, new Map())
  if (size === 0 || size > MAX_PAX_BYTES) throw badArchive('the size of a header')
  const records = parsePax(await source.take(size))
  await source.take(paddingOf(size))
  const block = await source.take(BLOCK_BYTES)
  if (checked(block).type === 'x') throw badArchive('two headers in a row')
  return combine(block, records)
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0)
}

function checked(block: Buffer): { readonly type: string; readonly size: number } {
  const told = octalAt(block, 148, 8)
  let sum = 0
  for (let i = 0; i < BLOCK_BYTES; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0)
  if (sum !== told) throw badArchive('the checksum of a header')
  if (block.toString('latin1', 257, 263) !== 'ustar\0') throw badArchive('the format of a header')
  return { type: block.toString('latin1', 156, 157), size: octalAt(block, 124, 12) }
}

function octalAt(block: Buffer, at: number, width: number): number {
  const match = /^([0-7]+)[\0 ]*$/.exec(block.toString('latin1', at, at + width))
  if (!match?.[1]) throw badArchive('a number in a header')
  return Number.parseInt(match[1], 8)
}

function textAt(block: Buffer, at: number, width: number): ByteString {
  const text = block.toString('latin1', at, at + width)
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

/** The records that the packer writes; any other is refused, since nobody would know what it changes. */
const PAX_KEYS: ReadonlySet<string> = new Set([
  'hdrcharset',
  'path',
  'linkpath',
  'size',
  'mtime',
  'GNU.sparse.major',
  'GNU.sparse.minor',
  'GNU.sparse.name',
  'GNU.sparse.realsize',
])

function parsePax(data: Buffer): ReadonlyMap<string, ByteString> {
  const text = data.toString('latin1')
  const records = new Map<string, ByteString>()
  for (let at = 0; at < text.length;) {
    const length = /^([1-9]\d{0,5}) /.exec(text.slice(at, at + 8))?.[1]
    const end = at + Number(length ?? 0)
    const equals = text.indexOf('=', at)
    if (length === undefined || end > text.length || text[end - 1] !== '\n' || equals < 0 || equals >= end - 1)
      throw badArchive('a record of a header')
    const key = text.slice(at + length.length + 1, equals)
    if (!PAX_KEYS.has(key) || records.has(key)) throw badArchive('an unknown record of a header')
    records.set(key, text.slice(equals + 1, end - 1))
    at = end
  }
  return records
}

function combine(block: Buffer, pax: ReadonlyMap<string, ByteString>): TarHeader {
  const { type, size } = checked(block)
  const isSparse = pax.has('GNU.sparse.major')
  if (isSparse && (pax.get('GNU.sparse.major') !== '1' || pax.get('GNU.sparse.minor') !== '0')) {
    throw badArchive('the form of a sparse file')
  }
  if ((pax.get('hdrcharset') ?? 'BINARY') !== 'BINARY') throw badArchive('the character set of names')
  return {
    type,
    path: (isSparse ? pax.get('GNU.sparse.name') : pax.get('path')) ?? textAt(block, 0, NAME_BYTES),
    target: pax.get('linkpath') ?? textAt(block, 157, NAME_BYTES),
    mode: octalAt(block, 100, 8) & 0o7777,
    mtime: timeOf(pax.get('mtime') ?? String(octalAt(block, 136, 12))),
    size: pax.has('size') ? countOf(pax.get('size')) : size,
    ...(isSparse ? { sparseSize: countOf(pax.get('GNU.sparse.realsize')) } : {}),
  }
}

/** A whole number that a JavaScript number holds exactly. */
function countOf(text: string | undefined): number {
  const value = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw badArchive('a size in a header')
  return value
}

/** With nine decimals, so that one time has one form. */
function timeOf(text: string): string {
  const match = /^(-?\d{1,16})(?:\.(\d{1,9}))?$/.exec(text)
  if (!match?.[1]) throw badArchive('a time in a header')
  return `${match[1]}.${(match[2] ?? '').padEnd(9, '0')}`
}
