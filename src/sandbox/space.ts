/**
 * Room on the disk for one user's files. The registry provides it: it measures the workspace now and then, and knows what the operator
 * allows. The tools that write ask it before they do, so that a user whose workspace is full reads why in place of an odd failure of a
 * program; commands do not ask, or nobody could delete anything.
 */
export interface Space {
  /**
   * Rejects with `disk_full`, or with `engine_disk_full`, when the user may not write `bytes` more; costs nothing while there is plenty.
   * What is known may be a little old; before it refuses it looks again.
   */
  require(bytes: number, signal?: AbortSignal): Promise<void>
  /** Notes that so many bytes were written, so that what is known follows without another look. */
  wrote(bytes: number): void
  /** Why the server ended the command, when it was for the room that it took; undefined for any other. */
  whyEnded(commandId: string): string | undefined
  /** What is allowed; undefined: the disk is the limit. */
  readonly allowedBytes: number | undefined
  readonly allowedFiles: number | undefined
}

/** The disk is the limit. */
export const AMPLE_SPACE: Space = {
  require: () => Promise.resolve(),
  wrote() {},
  whyEnded: () => undefined,
  allowedBytes: undefined,
  allowedFiles: undefined,
}

/** A stream asks again each time it has brought so much. */
const STREAM_STEP_BYTES = 1024 * 1024

/** The pieces of `data` as they come, as long as there is room for them. */
export async function* whileRoom(
  data: AsyncIterable<Uint8Array>,
  space: Space,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  let bytes = 0
  let askAt = 0
  for await (const piece of data) {
    bytes += piece.length
    if (bytes >= askAt) {
      await space.require(bytes, signal)
      askAt = bytes + STREAM_STEP_BYTES
    }
    yield piece
  }
}
