import { isUtf8 } from 'node:buffer'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { CRLF_MARK } from './occurrences.ts'

const BYTE_ORDER_MARK = '\ufeff'

/** A file's text in the form in which edits are applied: each CR LF is one CRLF_MARK, so that every line end keeps its kind. */
export interface EditableText {
  readonly marked: string
  readonly hasByteOrderMark: boolean
}

/** `binary_file` for what is not UTF-8, or holds a NUL: changing it as text would damage it. */
export function decodeText(bytes: Buffer, path: string): EditableText {
  if (!isUtf8(bytes) || bytes.includes(0)) {
    throw new SandboxError('binary_file', `${path} is not UTF-8 text.`, {
      hint: 'Change it with a program of its own in shell_exec; iconv converts text of other encodings.',
    })
  }
  const text = bytes.toString('utf8')
  const hasByteOrderMark = text.startsWith(BYTE_ORDER_MARK)
  return { marked: markCrlf(hasByteOrderMark ? text.slice(1) : text), hasByteOrderMark }
}

export function encodeText({ marked, hasByteOrderMark }: EditableText): Buffer {
  return Buffer.from((hasByteOrderMark ? BYTE_ORDER_MARK : '') + marked.replaceAll(CRLF_MARK, '\r\n'))
}

/** For showing and comparing: all line ends are line feeds. */
export function plainText(marked: string): string {
  return marked.replaceAll(CRLF_MARK, '\n')
}

function markCrlf(text: string): string {
  return text.replaceAll('\r\n', CRLF_MARK)
}
