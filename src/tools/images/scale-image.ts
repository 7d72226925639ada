import { Worker } from 'node:worker_threads'
import pLimit from 'p-limit'
import { SandboxError } from '../../errors/sandbox-error.ts'

export interface ScaleLimits {
  /** Longest edge of the result, in pixels. */
  readonly maxEdgePixels: number
  readonly maxBytes: number
  readonly maxMegapixels: number
  /** Milliseconds until the decoder is ended. */
  readonly deadlineMs: number
}

export interface ScaledImage {
  readonly bytes: Uint8Array
  readonly mime: 'image/png' | 'image/jpeg'
  readonly width: number
  readonly height: number
}

const WORKER_FILE = new URL('scale-image-worker.mjs', import.meta.url)
/** JavaScript heap of a decoder. Pixels lie outside of it: those are bounded by the megapixels that the header admits. */
const HEAP_MB = 256
const CANNOT_DECODE = 'The image cannot be decoded: it is damaged, or of a kind that is not supported.'
const HINT = 'Convert or shrink it in the sandbox, then read the result.'

/** One at a time, because each takes a processor and up to a few hundred MiB. */
const oneAtATime = pLimit(1)

/**
 * Scales a PNG or JPEG down. The image is hostile: it is decoded by JavaScript alone (no native code to take over), in a thread of
 * its own with a bounded heap, no environment, and a deadline, so that no image can stop or exhaust the server. Rejects with
 * `invalid_argument` or `too_large`.
 */
export function scaleImage(bytes: Buffer, limits: ScaleLimits, signal?: AbortSignal): Promise<ScaledImage> {
  return oneAtATime(() => {
    signal?.throwIfAborted()
    return runWorker(bytes, limits, signal)
  })
}

async function runWorker(bytes: Buffer, limits: ScaleLimits, signal?: AbortSignal): Promise<ScaledImage> {
  const worker = new Worker(WORKER_FILE, {
    workerData: { bytes, ...limits },
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, stackSizeMb: 4 },
    env: {},
    execArgv: [],
    // What a decoder prints is no business of the server's own streams: stdout is the protocol.
    stdout: true,
    stderr: true,
  })
  let settle: (() => void) | undefined
  try {
    return await new Promise<ScaledImage>((resolve, reject) => {
      const onAbort = () => reject(signal?.reason)
      const late = () =>
        reject(
          new SandboxError('too_large', `The image took more than ${limits.deadlineMs} ms to decode.`, { hint: HINT }),
        )
      const timer = setTimeout(late, limits.deadlineMs)
      settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      worker.once('message', (scaled: ScaledImage | undefined) => {
        if (scaled) resolve(scaled)
        else
          reject(new SandboxError('too_large', 'The image stays too large however much it is scaled.', { hint: HINT }))
      })
      worker.once('error', (cause) =>
        reject(new SandboxError('invalid_argument', CANNOT_DECODE, { hint: HINT, cause })),
      )
      worker.once('exit', () => reject(new SandboxError('invalid_argument', CANNOT_DECODE, { hint: HINT })))
    })
  } finally {
    settle?.()
    await worker.terminate()
  }
}
