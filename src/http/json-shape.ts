import { SandboxError } from '../errors/sandbox-error.ts'

/** Far above what a message of MCP needs, far below where recursive code that walks a value runs out of stack. */
const MAX_DEPTH = 100
/** Values in one message. Each costs the parser tens of bytes of heap however small its text is. */
const MAX_VALUES = 100_000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * Refuses JSON text that is nested too deeply or holds too many values, without making any of them: a few megabytes of `[[],[],…` become
 * hundreds of megabytes of objects, and depth overflows the stack of whatever walks the value next. Strings are skipped at the speed of
 * memchr, so that a large file in a message costs next to nothing. Text that is no JSON passes, or not; the parser decides on it.
 */
export function checkJsonShape(text: Buffer): void {
  let depth = 0
  let values = 1
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]
    if (byte === QUOTE) at = endOfString(text, at)
    else if (byte === COMMA) values++
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      values++
      depth++
    }
    if (depth > MAX_DEPTH) throw new SandboxError('malformed_body', `The body is nested deeper than ${MAX_DEPTH}.`)
    if (values > MAX_VALUES) throw new SandboxError('too_large', `The body holds more than ${MAX_VALUES} values.`)
  }
}

/** Where the string that opens at `from` closes; the end of the text when it does not. */
function endOfString(text: Buffer, from: number): number {
  for (let end = text.indexOf(QUOTE, from + 1); end !== -1; end = text.indexOf(QUOTE, end + 1)) {
    let slashes = 0
    while (text[end - 1 - slashes] === BACKSLASH) slashes++
    if (slashes % 2 === 0) return end
  }
  return text.length
}
