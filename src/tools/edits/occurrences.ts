/** Stands for CR LF in marked text: a file that holds a NUL is binary, so none of its own can be there. */
export const CRLF_MARK = '\0'
const CRLF = 0
const LF = 0x0a

/**
 * Where `needle` begins in `text`, in which CRLF_MARK counts as a line feed. Knuth, Morris and Pratt's search: at most two looks at
 * each character, while String.indexOf takes the product of both lengths on texts that are made for it.
 */
export function occurrences(text: string, needle: string, overlapping: boolean): number[] {
  const border = borders(needle)
  const found: number[] = []
  let matched = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const unit = code === CRLF ? LF : code
    while (matched > 0 && needle.charCodeAt(matched) !== unit) matched = border[matched - 1] ?? 0
    if (needle.charCodeAt(matched) === unit) matched++
    if (matched < needle.length) continue
    found.push(at + 1 - needle.length)
    matched = overlapping ? (border[matched - 1] ?? 0) : 0
  }
  return found
}

/** For each prefix the length of its longest proper prefix that is its suffix too. */
function borders(needle: string): Uint32Array {
  const lengths = new Uint32Array(needle.length)
  let length = 0
  for (let at = 1; at < needle.length; at++) {
    while (length > 0 && needle.charCodeAt(at) !== needle.charCodeAt(length)) length = lengths[length - 1] ?? 0
    if (needle.charCodeAt(at) === needle.charCodeAt(length)) length++
    lengths[at] = length
  }
  return lengths
}
