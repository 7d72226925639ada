/**
 * Length of `bytes` without a UTF-8 sequence that is cut at the end (RFC 3629: at most 3 bytes can be missing their rest), so that
 * a page of a stream never splits a character. Invalid bytes count as whole.
 */
export function wholeCharacters(bytes: Uint8Array): number {
  const end = bytes.length
  for (let back = 1; back <= Math.min(3, end); back++) {
    const byte = bytes[end - back] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return size > back ? end - back : end
  }
  return end
}

/** Offset of the first byte that starts a character, so that a piece cut out of a stream does not begin in the middle of one. */
export function firstCharacter(bytes: Uint8Array): number {
  let at = 0
  while (at < Math.min(3, bytes.length) && ((bytes[at] ?? 0) & 0xc0) === 0x80) at++
  return at
}
