/** stdout, then stderr, as one text. stderr is labelled only where it could be taken for stdout. */
export function joinStreams(stdout: string, stderr: string): string {
  if (stdout === '' && stderr === '') return '(no output)'
  if (stderr === '') return withoutFinalNewline(stdout)
  if (stdout === '') return withoutFinalNewline(stderr)
  return `${withoutFinalNewline(stdout)}\n[stderr]\n${withoutFinalNewline(stderr)}`
}

/** `[a · b · c]` of the parts that say something. */
export function footerLine(parts: readonly (string | undefined)[]): string {
  return `[${parts.filter((part) => part !== undefined && part !== '').join(' · ')}]`
}

function withoutFinalNewline(text: string): string {
  return text.endsWith('\n') ? text.slice(0, -1) : text
}
