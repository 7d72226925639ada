import { SandboxError } from '../../errors/sandbox-error.ts'
import { CRLF_MARK, occurrences } from './occurrences.ts'
import { lineNumbers } from './line-numbers.ts'
import { nearest } from './nearest.ts'
import { plainText } from './editable-text.ts'

export interface Edit {
  readonly old: string
  readonly new: string
  readonly replace_all: boolean
}

export interface AppliedEdit {
  readonly marked: string
  readonly replacements: number
}

/** UTF-16 units that edits may make of a file. */
const MAX_RESULT_LENGTH = 10 * 1024 * 1024
const MAX_LISTED_LINES = 10
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * One edit on marked text; `name` ("edits[2]") stands in its errors. `no_match` shows the nearest piece of the file,
 * `ambiguous_match` the lines of all matches.
 */
export function applyEdit(marked: string, edit: Edit, name: string): AppliedEdit {
  const [old, replacement] = checked(edit, name)
  const found = occurrences(marked, old, !edit.replace_all)
  const [first] = found
  if (first === undefined) throw noMatch(marked, old, name)
  if (found.length > 1 && !edit.replace_all) throw ambiguous(marked, found, name)
  if (marked.length + found.length * (replacement.length - old.length) > MAX_RESULT_LENGTH) {
    throw new SandboxError('too_large', `${name} would make the file larger than 10 MiB.`)
  }
  const majority = prevailingLineEnd(marked)
  const parts: string[] = []
  let at = 0
  for (const start of found) {
    const replaced = marked.slice(start, start + old.length)
    const lineEnd = /[\n\0]/.test(replaced) ? prevailingLineEnd(replaced) : majority
    parts.push(marked.slice(at, start), lineEnd === '\n' ? replacement : replacement.replaceAll('\n', lineEnd))
    at = start + old.length
  }
  parts.push(marked.slice(at))
  return { marked: parts.join(''), replacements: found.length }
}

/** Both texts of an edit with plain line ends: those of the file decide. */
function checked(edit: Edit, name: string): [old: string, replacement: string] {
  const texts = [edit.old.replaceAll('\r\n', '\n'), edit.new.replaceAll('\r\n', '\n')] as const
  if (texts.some((text) => LONE_SURROGATE.test(text))) {
    throw new SandboxError('invalid_argument', `${name} holds half of a surrogate pair, which UTF-8 cannot express.`)
  }
  if (texts.some((text) => text.includes('\0'))) {
    throw new SandboxError('invalid_argument', `${name} holds a NUL character.`)
  }
  if (texts[0] === '') {
    throw new SandboxError('invalid_argument', `${name}.old is empty.`, {
      hint: 'Name the text to replace. To fill or extend a file use write_file (mode overwrite or append).',
    })
  }
  if (texts[0] === texts[1]) {
    throw new SandboxError('invalid_argument', `${name}: old and new are the same.`, { hint: 'Leave this edit out.' })
  }
  return [texts[0], texts[1]]
}

/** The line end that is more frequent. */
function prevailingLineEnd(marked: string): string {
  let balance = 0
  for (let at = 0; at < marked.length; at++) {
    const unit = marked[at]
    if (unit === '\n') balance++
    else if (unit === CRLF_MARK) balance--
  }
  return balance < 0 ? CRLF_MARK : '\n'
}

function ambiguous(marked: string, found: readonly number[], name: string): SandboxError {
  const lines = lineNumbers(marked, found.slice(0, MAX_LISTED_LINES)).join(', ')
  const more = found.length > MAX_LISTED_LINES ? ', …' : ''
  return new SandboxError('ambiguous_match', `${name}.old occurs ${found.length} times, in lines ${lines}${more}.`, {
    hint: 'Put more of the text around it into old, or set replace_all. Nothing was changed.',
  })
}

function noMatch(marked: string, old: string, name: string): SandboxError {
  const piece = nearest(plainText(marked), old)
  const hint = piece
    ? 'Nothing was changed. Copy old from the file as it is. The nearest text in it:'
    : 'Nothing was changed. Nothing in the file is similar: check the path, and read the file.'
  return new SandboxError('no_match', `${name}.old does not occur in the file.`, {
    hint,
    ...(piece === undefined ? {} : { excerpt: piece }),
  })
}
