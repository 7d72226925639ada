import { stripVTControlCharacters } from 'node:util'

/** Anything that this file changes; most output has none of it. */
const SPECIAL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/u
const SPECIAL_ALL = new RegExp(SPECIAL.source, 'gu')
/** Joiners are ordinary parts of emoji and of several scripts, but only between characters that are not ASCII. */
const JOINER = /^[\u200c\u200d]$/
const ASCII = /^[\0-\x7f]?$/

/**
 * Bytes from a sandbox as text that is safe to show to a model and in a terminal: UTF-8 with U+FFFD for what is invalid, ANSI
 * sequences removed, lines that were overwritten with a carriage return collapsed to their last state, and every other control,
 * bidirectional or invisible character written visibly (`\x07`, `\u{202e}`), never dropped silently and never interpreted.
 */
export function visibleText(bytes: Uint8Array): string {
  return makeVisible(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
}

/** As visibleText, for a string. */
export function makeVisible(text: string): string {
  if (!SPECIAL.test(text)) return text
  const plain = text.includes('\x1b') || text.includes('\x9b') ? stripVTControlCharacters(text) : text
  const collapsed = plain.includes('\r') ? collapseCarriageReturns(plain) : plain
  return collapsed.replace(SPECIAL_ALL, (character, at: number) => {
    if (JOINER.test(character) && !ASCII.test(collapsed.charAt(at - 1)) && !ASCII.test(collapsed.charAt(at + 1))) {
      return character
    }
    return escaped(character)
  })
}

/** One line for a message or a log: control characters and line ends escaped, cut at `maxCharacters`. */
export function oneLine(text: string, maxCharacters = 200): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text
  return makeVisible(cut.replaceAll('\r', '\\r').replaceAll('\n', '\\n').replaceAll('\t', '\\t'))
}

function collapseCarriageReturns(text: string): string {
  return text
    .replace(/\r+\n/g, '\n')
    .split('\n')
    .map((line) => (line.includes('\r') ? lastState(line) : line))
    .join('\n')
}

/** What a terminal would show in the end, if each rewrite is at least as long as what it covers, as progress bars are. */
function lastState(line: string): string {
  const states = line.split('\r').filter((state) => state !== '')
  return states.at(-1) ?? ''
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}
