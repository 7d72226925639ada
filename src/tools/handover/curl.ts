/** A complete command that puts a file with a one-time URL. FILE is for whoever runs it to fill in. */
export function curlPut(url: string): string {
  return `curl --fail-with-body -T FILE ${quoted(url)}`
}

/** A complete command that fetches from a one-time URL into a file of that name; what fails leaves none that looks like it. */
export function curlGet(url: string, name: string): string {
  return `curl -fo ${quoted(`./${name}`)} ${quoted(url)}`
}

/** One word of a POSIX shell (POSIX.1-2017, XCU 2.2.2). */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
