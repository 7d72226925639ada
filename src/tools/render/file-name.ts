import { isUtf8 } from 'node:buffer'
import { makeVisible } from '../../lib/visible-text.ts'

/** A file name from a sandbox: any bytes but NUL, chosen by whoever made the file. */
export interface FileName {
  /** Exact, when the bytes are UTF-8; else with `\xNN` for the bytes that are not. */
  readonly exact: string
  readonly isUtf8: boolean
  /** For a line of text: nothing in it is interpreted or hidden. */
  readonly visible: string
}

export function fileName(bytes: Buffer): FileName {
  const valid = isUtf8(bytes)
  const exact = valid ? bytes.toString('utf8') : escapeInvalid(bytes)
  return { exact, isUtf8: valid, visible: visibleName(exact) }
}

/** A path on one line: also line ends, tabs and escape sequences are written out, since nobody means them. */
export function visibleName(path: string): string {
  return makeVisible(path.replace(/[\t\n\r\x1b\x9b]/g, escaped))
}

function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}

/** UTF-8 where it is valid, `\xNN` for every other byte. */
function escapeInvalid(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((size) => at + size <= bytes.length && isUtf8(bytes.subarray(at, at + size)))
    text +=
      length === undefined ? escaped(String.fromCharCode(bytes[at] ?? 0)) : bytes.toString('utf8', at, at + length)
    at += length ?? 1
  }
  return text
}
