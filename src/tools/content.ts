import { SandboxError } from '../errors/sandbox-error.ts'

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const LINE_ENDS = /[\r\n]/g
const LONE_SURROGATE = /\p{Surrogate}/u

/** The bytes that `content` stands for. Strict, because lenient decoders turn a damaged argument into a damaged file. */
export function contentBytes(content: string, encoding: 'utf-8' | 'base64'): Buffer {
  if (encoding === 'base64') return base64Bytes(content)
  if (LONE_SURROGATE.test(content)) {
    throw new SandboxError('invalid_argument', 'content holds half of a surrogate pair, which UTF-8 cannot express.', {
      hint: 'Send the bytes with encoding="base64".',
    })
  }
  return Buffer.from(content)
}

/** RFC 4648, section 4, with padding; line ends in between are allowed, as base64(1) writes them. */
function base64Bytes(content: string): Buffer {
  const text = content.replace(LINE_ENDS, '')
  // Checked piece by piece: a repeated group over megabytes of text overflows the stack of the regular expression engine.
  for (let at = 0; at < text.length; at += PIECE) {
    const isLast = at + PIECE >= text.length
    const piece = text.slice(at, at + PIECE)
    if (!BASE64.test(piece) || (!isLast && piece.endsWith('='))) {
      throw new SandboxError('invalid_argument', 'content is not valid base64.', {
        hint: 'Use the standard alphabet with padding, or encoding="utf-8" for text.',
      })
    }
  }
  return Buffer.from(text, 'base64')
}

/** A multiple of 4. */
const PIECE = 64 * 1024
