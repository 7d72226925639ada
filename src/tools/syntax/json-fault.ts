import type { SyntaxFault } from './finding.ts'

/** Deeper than parsers commonly take. */
const MAX_DEPTH = 10_000
const SPACE = /[ \t\n\r]*/y
const LITERAL = /true|false|null/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const AFTER_SCALAR = /[\w.+-]/
const ESCAPE = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y
const CLOSING = { '[': ']', '{': '}' } as const

/** The first fault in a JSON text (RFC 8259); undefined when it is valid. Linear in its length, and without recursion. */
export function jsonFault(text: string): SyntaxFault | undefined {
  try {
    new JsonScanner(text).scan()
    return undefined
  } catch (error) {
    if (!(error instanceof FaultAt)) throw error
    const before = text.slice(0, error.at)
    const line = before.split('\n').length
    return { line, column: error.at - (before.lastIndexOf('\n') + 1) + 1, message: error.message }
  }
}

class FaultAt extends Error {
  override readonly name = 'FaultAt'
  readonly at: number

  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

class JsonScanner {
  readonly #text: string
  #at = 0
  readonly #open: ('[' | '{')[] = []

  constructor(text: string) {
    this.#text = text
  }

  scan(): void {
    if (this.#text.startsWith('\ufeff')) this.#fail('a byte order mark')
    this.#value()
    while (this.#open.length > 0) this.#afterEntry(this.#open[this.#open.length - 1] ?? '[')
    this.#skipSpace()
    if (this.#at < this.#text.length) this.#fail(`${this.#here()} after the end of the value`)
  }

  /** A scalar, or the opening of a container with all openings in a row; its entries are taken one by one afterwards. */
  #value(): void {
    for (;;) {
      this.#skipSpace()
      const opening = this.#text[this.#at]
      if (opening === '"') return this.#string()
      if (opening !== '[' && opening !== '{') return this.#scalar()
      if (this.#open.length === MAX_DEPTH) this.#fail(`more than ${MAX_DEPTH} levels of nesting`)
      this.#at++
      this.#skipSpace()
      if (this.#text[this.#at] === CLOSING[opening]) {
        this.#at++
        return
      }
      this.#open.push(opening)
      if (opening === '{') this.#key('expected a key in double quotes or "}"')
    }
  }

  #afterEntry(inner: '[' | '{'): void {
    this.#skipSpace()
    const character = this.#text[this.#at]
    if (character === CLOSING[inner]) {
      this.#at++
      this.#open.pop()
      return
    }
    if (character !== ',') this.#fail(`expected "," or "${CLOSING[inner]}", not ${this.#here()}`)
    const comma = this.#at++
    this.#skipSpace()
    if (this.#text[this.#at] === CLOSING[inner]) throw new FaultAt(comma, `a comma before "${CLOSING[inner]}"`)
    if (inner === '{') this.#key('expected a key in double quotes')
    this.#value()
  }

  #key(message: string): void {
    this.#skipSpace()
    if (this.#text[this.#at] !== '"') this.#fail(`${message}, not ${this.#here()}`)
    this.#string()
    this.#skipSpace()
    if (this.#text[this.#at] !== ':') this.#fail(`expected ":" after the key, not ${this.#here()}`)
    this.#at++
  }

  #scalar(): void {
    const start = this.#at
    if (!this.#take(LITERAL) && !this.#take(NUMBER)) this.#fail(`expected a value, not ${this.#here()}`)
    if (!AFTER_SCALAR.test(this.#text[this.#at] ?? '')) return
    throw new FaultAt(start, 'not a number, true, false or null')
  }

  #string(): void {
    const start = this.#at++
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === 0x22) {
        this.#at++
        return
      }
      if (code < 0x20) this.#fail(code === 0x0a ? 'a line end in a string' : 'a control character in a string')
      if (code === 0x5c) {
        this.#at++
        if (!this.#take(ESCAPE)) throw new FaultAt(this.#at - 1, 'not an escape sequence of JSON')
        this.#at--
      }
    }
    throw new FaultAt(start, 'a string that does not end')
  }

  #skipSpace(): void {
    this.#take(SPACE)
  }

  /** Moves behind what the pattern matches here. */
  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at
    if (!pattern.test(this.#text)) return false
    this.#at = pattern.lastIndex
    return true
  }

  #here(): string {
    const code = this.#text.codePointAt(this.#at)
    return code === undefined ? 'the end' : JSON.stringify(String.fromCodePoint(code))
  }

  #fail(message: string): never {
    throw new FaultAt(this.#at, message)
  }
}
