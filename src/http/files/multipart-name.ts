/** Linux NAME_MAX, in bytes. */
const NAME_MAX_BYTES = 255

/**
 * The name of a file from what its sender calls it, or undefined when nothing is left of it. The last part alone, whatever system's
 * separators it has (RFC 7578 section 4.2: directories in it are not to be used): a name with `../` or a drive in it leads nowhere.
 * Control characters, which nobody means and which forge lines where names are listed, become `_`.
 */
export function safeName(given: string | undefined): string | undefined {
  const last = (given ?? '').split(/[/\\]/).at(-1) ?? ''
  const plain = last.replace(/[\p{Cc}\p{Surrogate}\u2028\u2029]/gu, '_').trim()
  const name = withinBytes(plain, NAME_MAX_BYTES)
  return name === '' || name === '.' || name === '..' ? undefined : name
}

/** As many whole characters as fit; what is left of a long name keeps its extension. */
function withinBytes(name: string, maxBytes: number): string {
  if (Buffer.byteLength(name) <= maxBytes) return name
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(name)?.[0] ?? ''
  let bytes = Buffer.byteLength(extension)
  let kept = ''
  for (const character of name) {
    bytes += Buffer.byteLength(character)
    if (bytes > maxBytes) break
    kept += character
  }
  return kept + extension
}
