import { makeVisible } from '../../lib/visible-text.ts'

/** Lines of the wanted text, and of the file, that are compared at most: the piece is a help, not worth a stalled server. */
const MAX_WANTED_LINES = 400
const MAX_FILE_LINES = 200_000
/** A line that occurs more often tells nothing about the place. */
const MAX_OCCURRENCES = 20
const MAX_COMPARED_CHARACTERS = 400
const SHOWN_LINES = 12
const SHOWN_CHARACTERS = 200
/** Share of letter pairs that two lines must have in common to count as similar. */
const MIN_SIMILARITY = 0.5

/**
 * The piece of `text` that is most like `wanted`, with line numbers and with what differs, for whoever asked for a text that is
 * not there; undefined when nothing is alike. Takes time in proportion to the text.
 */
export function nearest(text: string, wanted: string): string | undefined {
  const fileLines = text.split('\n', MAX_FILE_LINES)
  const wantedLines = wanted.replace(/\n$/, '').split('\n', MAX_WANTED_LINES)
  const start = byCommonLines(fileLines, wantedLines) ?? bySimilarLine(fileLines, wantedLines)
  return start === undefined ? undefined : describe(fileLines, wantedLines, Math.max(0, start))
}

/** Where most lines of the wanted text are found in their order, indentation and spacing aside. */
function byCommonLines(fileLines: readonly string[], wantedLines: readonly string[]): number | undefined {
  const places = new Map<string, number[]>()
  for (const [at, line] of wantedLines.entries()) {
    const key = withoutSpace(line)
    if (key.length > 2) places.set(key, [...(places.get(key) ?? []), at].slice(0, MAX_OCCURRENCES))
  }
  const counts = new Map<string, number>()
  const votes = new Map<number, number>()
  for (const [at, line] of fileLines.entries()) {
    const key = withoutSpace(line)
    const wantedAt = places.get(key)
    if (!wantedAt) continue
    const seen = (counts.get(key) ?? 0) + 1
    counts.set(key, seen)
    if (seen > MAX_OCCURRENCES) continue
    for (const each of wantedAt) votes.set(at - each, (votes.get(at - each) ?? 0) + key.length)
  }
  return best(votes)
}

/** Where the line is that is most like the longest wanted one. */
function bySimilarLine(fileLines: readonly string[], wantedLines: readonly string[]): number | undefined {
  const keys = wantedLines.map((line) => withoutSpace(line).slice(0, MAX_COMPARED_CHARACTERS))
  const longest = keys.reduce((winner, key, at) => (key.length > (keys[winner]?.length ?? 0) ? at : winner), 0)
  const pairs = letterPairs(keys[longest] ?? '')
  if (pairs.size === 0) return undefined
  const scores = new Map<number, number>()
  for (const [at, line] of fileLines.entries()) {
    const others = letterPairs(withoutSpace(line).slice(0, MAX_COMPARED_CHARACTERS))
    let common = 0
    for (const pair of others) if (pairs.has(pair)) common++
    // Against the wanted line alone, so that it is also found inside of a longer one.
    const score = common / pairs.size - Math.max(0, others.size - pairs.size) / (10 * MAX_COMPARED_CHARACTERS)
    if (score >= MIN_SIMILARITY) scores.set(at - longest, score)
  }
  return best(scores)
}

function describe(fileLines: readonly string[], wantedLines: readonly string[], start: number): string {
  const piece = fileLines.slice(start, start + wantedLines.length)
  const firstOther = piece.findIndex((line, at) => line !== wantedLines[at])
  const from = Math.max(0, Math.min(firstOther - 3, piece.length - SHOWN_LINES))
  const shown = piece.slice(from, from + SHOWN_LINES)
  const numbered = shown.map((line, at) => `${start + from + at + 1}\t${visible(line)}`)
  const difference = firstOther < 0 ? [] : differences(piece[firstOther] ?? '', wantedLines[firstOther] ?? '')
  return [...numbered, ...difference.map((line) => line.replace('LINE', String(start + firstOther + 1)))].join('\n')
}

/** What the first differing line has, and what was asked for. */
function differences(inFile: string, asked: string): string[] {
  let column = 0
  while (column < inFile.length && inFile[column] === asked[column]) column++
  const what = withoutSpace(inFile) === withoutSpace(asked) ? 'differs only in white space' : 'differs'
  const from = Math.max(0, column - 40)
  return [
    `Line LINE ${what}, from column ${column + 1} on:`,
    `  file: ${quoted(inFile, from)}`,
    `  old:  ${quoted(asked, from)}`,
  ]
}

/** With tabs and trailing spaces to be seen. */
function quoted(line: string, from: number): string {
  const cut = wholeUnits(line.slice(from, from + SHOWN_CHARACTERS))
  return `${from > 0 ? '…' : ''}${makeVisible(JSON.stringify(cut))}${line.length > from + SHOWN_CHARACTERS ? '…' : ''}`
}

function visible(line: string): string {
  const cut = wholeUnits(line.slice(0, SHOWN_CHARACTERS)).replaceAll('\x1b', '\\x1b').replaceAll('\r', '\\r')
  return `${makeVisible(cut)}${line.length > SHOWN_CHARACTERS ? '…' : ''}`
}

function wholeUnits(text: string): string {
  return text.replace(/^[\udc00-\udfff]/, '').replace(/[\ud800-\udbff]$/, '')
}

function withoutSpace(line: string): string {
  return line.replace(/\s+/g, '')
}

function letterPairs(text: string): Set<number> {
  const pairs = new Set<number>()
  for (let at = 0; at + 1 < text.length; at++) pairs.add(text.charCodeAt(at) * 65_536 + text.charCodeAt(at + 1))
  return pairs
}

/** The key of the highest score; the first of several. */
function best(scores: ReadonlyMap<number, number>): number | undefined {
  let winner: number | undefined
  let highest = 0
  for (const [key, score] of scores) {
    if (score <= highest) continue
    winner = key
    highest = score
  }
  return winner
}
