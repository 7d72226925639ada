/** A program to be run in a container, and as whom. */
export interface StreamSpec {
  readonly command: readonly string[]
  readonly uid: number
}

/** A byte stream to a program in the container: what is written arrives at its stdin, what it prints on stdout is read. */
export interface ContainerStream {
  /** Resolves when the bytes were taken and more are welcome (back-pressure). Rejects once the stream is closed. */
  write(data: Uint8Array): Promise<void>
  /** Called with each piece of stdout, in order. Set once, directly after opening; nothing is read before. */
  onData(listener: (data: Buffer) => void): void
  /** Called once, when the stream has ended for whatever reason; `stderr` is at most its last 4 KiB, for the log. */
  onClose(listener: (reason: { readonly error?: Error; readonly stderr: string }) => void): void
  pause(): void
  resume(): void
  /** Idempotent. Also ends the program's stdin. */
  close(): void
}
