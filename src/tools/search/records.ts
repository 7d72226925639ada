const NUL = 0
const NEWLINE = 0x0a
const COLON = 0x3a
const DASH = 0x2d
const SEPARATOR = Buffer.from('--\n')

/** A line of a file, from output whose paths end with NUL. */
export interface LineRecord {
  readonly path: Buffer
  readonly line: number
  /** Without its line feed. */
  readonly text: Buffer
  readonly isMatch: boolean
}

export interface CountRecord {
  readonly path: Buffer
  readonly count: number
}

/** `path NUL` again and again; a last one without NUL was cut off, and is left out. */
export function parseNames(output: Buffer): Buffer[] {
  const names: Buffer[] = []
  for (let at = 0; ;) {
    const end = output.indexOf(NUL, at)
    if (end < 0) return names
    names.push(output.subarray(at, end))
    at = end + 1
  }
}

/** `path NUL count LF` again and again, without files that have none. */
export function parseCounts(output: Buffer): CountRecord[] {
  const counts: CountRecord[] = []
  for (let at = 0; ;) {
    const pathEnd = output.indexOf(NUL, at)
    const end = pathEnd < 0 ? -1 : output.indexOf(NEWLINE, pathEnd)
    if (end < 0) return counts
    const count = Number(output.toString('latin1', pathEnd + 1, end))
    if (Number.isSafeInteger(count) && count > 0) counts.push({ path: output.subarray(at, pathEnd), count })
    at = end + 1
  }
}

/**
 * `path NUL line (: | -) text LF` again and again, with `--` between pieces. That cannot be the start of a path: each begins with
 * `./`. A last record that was cut off is left out.
 */
export function parseLines(output: Buffer): LineRecord[] {
  const records: LineRecord[] = []
  for (let at = 0; ;) {
    if (output.subarray(at, at + SEPARATOR.length).equals(SEPARATOR)) at += SEPARATOR.length
    const pathEnd = output.indexOf(NUL, at)
    const end = pathEnd < 0 ? -1 : output.indexOf(NEWLINE, pathEnd + 1)
    if (end < 0) return records
    let mark = pathEnd + 1
    while (mark < end && output[mark] !== COLON && output[mark] !== DASH) mark++
    records.push({
      path: output.subarray(at, pathEnd),
      line: Number(output.toString('latin1', pathEnd + 1, mark)),
      text: output.subarray(mark + 1, end),
      isMatch: output[mark] === COLON,
    })
    at = end + 1
  }
}
