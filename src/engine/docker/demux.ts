/** Receives what a {@link Demuxer} finds. */
export interface DemuxSink {
  /** A piece of stdout: a view on the chunk that came in, not a copy, and not always a whole frame. */
  stdout(piece: Buffer): void
  /** A piece of stderr. */
  stderr(piece: Buffer): void
  /** A message of the engine itself about a fault of the stream. */
  system(piece: Buffer): void
}

/** The bytes are not a multiplexed stream, or their order was lost. */
export class BadFrameError extends Error {
  override readonly name = 'BadFrameError'
}

const HEADER_BYTES = 8
/** Engines send what one read(2) of a pipe gave them, 32 or 64 KiB. Nothing is allocated by this length; more means lost order. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024
const STDOUT = 1
const STDERR = 2
/** Since Docker 1.13 ("systemerr"). */
const SYSTEM = 3

/**
 * Takes apart Docker's stream of stdout and stderr: frames of a header (one byte for the stream, three zero bytes, a big-endian
 * u32 length) and that many bytes. https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 *
 * Iterative, and without a buffer: thousands of one-byte frames in a chunk, or one huge frame, cost time in proportion to their
 * bytes and no memory. (docker-modem's own is recursive and copies what is left for each frame: sandboxed code that printed
 * single bytes overflowed its stack.)
 */
export class Demuxer {
  readonly #sink: DemuxSink
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerBytes = 0
  #stream = 0
  #left = 0

  constructor(sink: DemuxSink) {
    this.#sink = sink
  }

  /** True between two frames: an end of the stream anywhere else has cut one. */
  get atBoundary(): boolean {
    return this.#headerBytes === 0
  }

  /** Takes the next bytes. Throws {@link BadFrameError}; the rest of the stream is then of no use. */
  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#headerBytes < HEADER_BYTES) {
        const taken = chunk.copy(this.#header, this.#headerBytes, at)
        this.#headerBytes += taken
        at += taken
        if (this.#headerBytes < HEADER_BYTES) return
        this.#readHeader()
      } else {
        const piece = chunk.subarray(at, at + this.#left)
        at += piece.length
        this.#left -= piece.length
        this.#deliver(piece)
      }
      if (this.#headerBytes === HEADER_BYTES && this.#left === 0) this.#headerBytes = 0
    }
  }

  #readHeader(): void {
    const header = this.#header
    this.#stream = header.readUInt8(0)
    this.#left = header.readUInt32BE(4)
    const known = this.#stream === STDOUT || this.#stream === STDERR || this.#stream === SYSTEM
    if (!known || header.readUIntBE(1, 3) !== 0) throw new BadFrameError('the header of a frame is not valid')
    if (this.#left > MAX_FRAME_BYTES) throw new BadFrameError('a frame is too long')
  }

  #deliver(piece: Buffer): void {
    if (this.#stream === STDOUT) this.#sink.stdout(piece)
    else if (this.#stream === STDERR) this.#sink.stderr(piece)
    else this.#sink.system(piece)
  }
}
