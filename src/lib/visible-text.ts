/**
 * Anything that this file changes; most output has none of it. Control characters but tab and line feed; what Unicode calls "default
 * ignorable" (zero-width, bidirectional and tag characters, variation selectors, fillers); line separators; annotation marks.
 */
const SPECIAL = /[\0-\x08\x0b-\x1f\x7f-\x9f\p{Default_Ignorable_Code_Point}\u2028\u2029\ufff9-\ufffb]/u
const SPECIAL_RUNS = new RegExp(`${SPECIAL.source}+`, 'gu')

/**
 * Escape and control sequences (ECMA-48 5.4, 5.6; xterm's ctlseqs ends an OSC also with BEL): CSI; a string from its opener to ST or
 * BEL; ESC with one final byte. No part can match what another part matched, so that hostile text takes linear time.
 */
const SEQUENCES =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\0-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-OQ-WYZ\\`-~]/g

/** What may stand after a character that is not ASCII: one variation selector (emoji), one joiner (emoji, Persian, Indic), or both. */
const ORDINARY_RUN = /^[\ufe0e\ufe0f]?[\u200c\u200d]?$/
const ENDS_IN_JOINER = /[\u200c\u200d]$/
/** A keycap: digit, U+FE0F, U+20E3. */
const KEYCAP = /^[0-9#*]\ufe0f\u20e3$/

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
  const plain = text.replace(SEQUENCES, '')
  const collapsed = plain.includes('\r') ? collapseCarriageReturns(plain) : plain
  return collapsed.replace(SPECIAL_RUNS, (run, at: number) =>
    isOrdinary(run, collapsed.charAt(at - 1), collapsed.charAt(at + run.length)) ? run : escapedRun(run),
  )
}

/** One line for a message or a log: control characters and line ends escaped, cut at `maxCharacters`. */
export function oneLine(text: string, maxCharacters = 200): string {
  const cut = text.length > maxCharacters ? `${wholePrefix(text, maxCharacters)}…` : text
  return makeVisible(cut.replaceAll('\r', '\\r').replaceAll('\n', '\\n').replaceAll('\t', '\\t'))
}

/** The first `length` UTF-16 units, without the first half of a surrogate pair at the end. */
function wholePrefix(text: string, length: number): string {
  return text.slice(0, length).replace(/[\ud800-\udbff]$/, '')
}

function collapseCarriageReturns(text: string): string {
  return text
    .split('\n')
    .map((line) => (line.includes('\r') ? lastState(line) : line))
    .join('\n')
}

/** What a terminal would show in the end, if each rewrite is at least as long as what it covers, as progress bars are. */
function lastState(line: string): string {
  const states = line.split('\r').filter((state) => state !== '')
  return states.at(-1) ?? ''
}

/** Runs are looked at as a whole: in a longer one any number of hidden bits could travel. */
function isOrdinary(run: string, before: string, after: string): boolean {
  if (KEYCAP.test(before + run + after)) return true
  return ORDINARY_RUN.test(run) && before > '\x7f' && (!ENDS_IN_JOINER.test(run) || after > '\x7f')
}

function escapedRun(run: string): string {
  return Array.from(run, escaped).join('')
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}
