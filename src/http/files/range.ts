import { SandboxError } from '../../errors/sandbox-error.ts'

/** Bytes of a representation: `length` of them from `offset` on; never empty. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** One range: first and last byte, or the number of the last bytes (RFC 9110 section 14.1.1). Beyond 15 digits is beyond any file. */
const ONE_RANGE = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/i

/**
 * The part that a Range header asks for, or undefined for the whole. Several ranges are answered with the whole, as section 14.2 allows: a
 * list of small overlapping parts costs the server far more than it costs its sender. So is what cannot be read. Throws
 * `range_not_satisfiable` when the range begins behind the end.
 *
 * By hand, since range-parser refuses a suffix that is longer than the file, which section 14.1.3 takes for the whole.
 */
export function byteRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = header === undefined ? null : ONE_RANGE.exec(header.trim())
  if (!match) return undefined
  const [, first, last, suffix] = match
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), size)
    if (length === 0) throw notSatisfiable(size)
    return { offset: size - length, length }
  }
  const offset = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  // "5-2" is no range at all (section 14.1.1); "9-" of five bytes is one that is not there.
  if (last !== '' && Number(last) < offset) return undefined
  if (offset >= size) throw notSatisfiable(size)
  return { offset, length: end - offset + 1 }
}

function notSatisfiable(size: number): SandboxError {
  return new SandboxError('range_not_satisfiable', `The range begins behind the end: there are ${size} bytes.`)
}
