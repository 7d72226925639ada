import { StringDecoder } from 'node:string_decoder'
import { RE2JS } from 're2js'
import { SandboxError } from '../errors/sandbox-error.ts'
import { makeVisible } from '../lib/visible-text.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import { WireError } from '../supervisor/errors.ts'

/** What a process_read waits for: a text or pattern in the output, or a TCP port that something listens on. */
export type WaitCondition =
  | { readonly kind: 'output'; readonly found: (text: string) => boolean }
  | { readonly kind: 'port'; readonly port: number }

const PORT = /^port:(\d{1,5})$/
const PATTERN = /^\/(.+)\/(i?)$/s
const MAX_LENGTH = 500

/**
 * Reads `until`: `port:8080`, `/regex/` (RE2 syntax, so that no pattern can take exponential time on hostile output), else plain text.
 */
export function parseCondition(until: string): WaitCondition {
  if (until === '' || until.length > MAX_LENGTH) {
    throw new SandboxError('invalid_argument', `until: give 1 to ${MAX_LENGTH} characters.`)
  }
  const port = PORT.exec(until)
  if (port) {
    const number = Number(port[1])
    if (number < 1 || number > 65535) throw new SandboxError('invalid_argument', 'until: a port is 1 to 65535.')
    return { kind: 'port', port: number }
  }
  const pattern = PATTERN.exec(until)
  if (!pattern) return { kind: 'output', found: (text) => text.includes(until) }
  const regex = compile(pattern[1] ?? '', pattern[2] === 'i')
  return { kind: 'output', found: (text) => regex.matcher(text).find() }
}

function compile(source: string, ignoreCase: boolean): RE2JS {
  try {
    return RE2JS.compile(source, RE2JS.MULTILINE | (ignoreCase ? RE2JS.CASE_INSENSITIVE : 0))
  } catch (cause) {
    throw new SandboxError('invalid_argument', 'until: the pattern is not a valid regular expression.', {
      hint: 'Use RE2 syntax (no look-around, no back-references), or a plain text without slashes.',
      cause,
    })
  }
}

/** Characters before new output that are searched with it, so that a match across two pieces is found. */
const OVERLAP_CHARACTERS = 4096

/** Looks for a condition in output that arrives piece by piece. */
export class OutputSearch {
  readonly #found: (text: string) => boolean
  /** Holds back a character that is cut at the end of a piece. */
  readonly #decoder = new StringDecoder('utf8')
  /** As it came: a sequence that is cut is told from text only with its rest. */
  #before = ''

  constructor(found: (text: string) => boolean) {
    this.#found = found
  }

  push(bytes: Uint8Array): boolean {
    const text = this.#before + this.#decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    this.#before = overlapOf(text)
    return this.#found(makeVisible(text))
  }
}

/** The end of a text, from the start of a line on if there is one, so that `^` does not match in the middle of one. */
function overlapOf(text: string): string {
  if (text.length <= OVERLAP_CHARACTERS) return text
  const end = text.slice(-OVERLAP_CHARACTERS)
  const line = end.slice(end.indexOf('\n') + 1)
  // A line that is cut begins with a stand-in for what is gone.
  return line === end ? `\ufffd${end}` : line
}

/** Socket state LISTEN in /proc/net/tcp (proc_pid_net(5); include/net/tcp_states.h). */
const LISTEN = '0A'
const MAX_TABLE_BYTES = 1024 * 1024

/** True when something in the sandbox listens on the TCP port, over IPv4 or IPv6, on whatever address. */
export async function isListening(client: SupervisorClient, port: number, signal?: AbortSignal): Promise<boolean> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readTable(client, path, signal)))
  return tables.some((table) => hasListener(table, port))
}

async function readTable(client: SupervisorClient, path: string, signal?: AbortSignal): Promise<string> {
  const pieces: Buffer[] = []
  const range = { offset: 0, length: MAX_TABLE_BYTES }
  try {
    await client.read(path, range, (data) => void pieces.push(data), { signal })
  } catch (error) {
    // A kernel without IPv6 has no tcp6.
    if (error instanceof WireError && error.code === 'not_found') return ''
    throw error
  }
  return Buffer.concat(pieces).toString('latin1')
}

/** Looks for a listener in the text of /proc/net/tcp or tcp6: columns "sl local_address rem_address st …", addresses as HEX:PORT. */
export function hasListener(table: string, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return table.split('\n').some((line) => {
    const [, local, , state] = line.trim().split(/\s+/)
    return state === LISTEN && local !== undefined && local.endsWith(suffix)
  })
}
