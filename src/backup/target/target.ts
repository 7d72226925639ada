/**
 * Where backups are kept. Keys are made by this program: `<user hash>/<id>.<ending>`. A key is there as a whole or not at all, whoever dies
 * while it is written. All methods fail with `backup_unavailable` when the place is out of reach.
 */
export interface BackupTarget {
  /** Directory on this machine for the file that is handed to `put`; the server's own. */
  readonly spoolDir: string
  /** Takes over a finished file of `spoolDir`; it is gone from there afterwards, however this ends. */
  put(key: string, file: string, signal?: AbortSignal): Promise<void>
  /** A small document, in one step. */
  putText(key: string, text: string): Promise<void>
  /** undefined when there is none. */
  getText(key: string, maxBytes: number): Promise<string | undefined>
  /** `not_found` when there is none. */
  read(key: string, signal?: AbortSignal): AsyncIterable<Buffer>
  /** All keys that begin so, with their sizes in bytes. */
  list(prefix: string): Promise<readonly StoredObject[]>
  /** A missing key is not an error. */
  remove(key: string): Promise<void>
  /** Removes what writers that died left behind, older than this. Resolves to how many pieces. */
  sweep(olderThanMs: number): Promise<number>
}

export interface StoredObject {
  readonly key: string
  readonly bytes: number
  /** When it was written, in Unix milliseconds. */
  readonly writtenMs: number
}
