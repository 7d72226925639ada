import { badArchive } from '../archive/bad-archive.ts'
import { ByteSource } from '../archive/byte-source.ts'
import { createZstdCodec, type ZstdCodec } from './codec.ts'
import { readFrame } from './frame-header.ts'

/** Content of one frame: what is compressed at once, and all that reading one takes in memory. */
const FRAME_BYTES = 1024 * 1024
/** Frames under way at once: one is compressed while the next is gathered. */
const IN_FLIGHT = 3

/**
 * Compresses a stream into frames of 1 MiB, one after the other, which any zstd program reads as one file (RFC 8878 section 3). Single frames
 * of a bounded size need no state between pieces, so the whole runs on other threads, and a hostile archive cannot ask for memory.
 */
export async function* compressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  yield* inTurn((codec) => tasksOf(framesOf(source), (data) => codec.compress(data)))
}

/** The content of such frames. `backup_damaged` for anything else. */
export async function* decompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  const bytes = new ByteSource(source)
  const frames = async function* () {
    while (!(await bytes.isAtEnd())) yield await readFrame(bytes, FRAME_BYTES)
  }
  try {
    yield* inTurn((codec) =>
      tasksOf(frames(), async ({ frame, size }) => {
        const content = await codec.decompress(frame, size).catch((cause: unknown) => {
          throw Object.assign(badArchive('its compression'), { cause })
        })
        if (content.length !== size) throw badArchive('its compression')
        return content
      }),
    )
  } finally {
    await bytes.close()
  }
}

async function* framesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  let parts: Uint8Array[] = []
  let length = 0
  for await (const piece of source) {
    for (let rest = piece; rest.length > 0;) {
      const part = rest.subarray(0, FRAME_BYTES - length)
      parts.push(part)
      length += part.length
      rest = rest.subarray(part.length)
      if (length < FRAME_BYTES) continue
      yield Buffer.concat(parts, length)
      parts = []
      length = 0
    }
  }
  if (length > 0) yield Buffer.concat(parts, length)
}

async function* tasksOf<T>(
  items: AsyncIterable<T>,
  work: (item: T) => Promise<Buffer>,
): AsyncGenerator<() => Promise<Buffer>, void> {
  for await (const item of items) yield () => work(item)
}

/** Runs a few tasks at once, and gives their results in their order. */
async function* inTurn(
  tasks: (codec: ZstdCodec) => AsyncGenerator<() => Promise<Buffer>, void>,
): AsyncGenerator<Buffer, void> {
  const codec = createZstdCodec()
  const running: Promise<Buffer>[] = []
  try {
    for await (const task of tasks(codec)) {
      const result = task()
      // Its failure is told in its turn.
      result.catch(() => {})
      running.push(result)
      if (running.length === IN_FLIGHT) yield (await running.shift()) as Buffer
    }
    for (const result of running.splice(0)) yield await result
  } finally {
    await codec.close()
  }
}
