import { imageSize } from 'image-size'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { formatBytes } from '../../lib/units.ts'
import type { ToolImage } from '../tool.ts'
import type { ImageType } from './image-type.ts'
import { scaleImage } from './scale-image.ts'

/** What models take without cutting it down themselves. */
const MAX_EDGE_PIXELS = 1568
const MAX_BYTES = 1_000_000
/** 4 bytes each while decoding; more is refused by the header, before a pixel is decoded (decompression bombs). */
const MAX_MEGAPIXELS = 40
const DEADLINE_MS = 15_000
/** The size of an image stands near its start; a hostile one may not make the server search through all of it. */
const HEADER_BYTES = 512 * 1024
/** Largest image file that is loaded, in bytes. */
export const MAX_IMAGE_FILE_BYTES = 16 * 1024 * 1024

export interface ImageBlock {
  readonly image: ToolImage
  /** "1024 × 768 px PNG", and what was done to it. */
  readonly about: string
}

/** An image as models take it: as it is when it is small enough, else scaled down. `too_large` or `invalid_argument` when neither can be. */
export async function imageBlock(
  bytes: Buffer,
  type: ImageType,
  signal?: AbortSignal,
  maxBytes = MAX_BYTES,
): Promise<ImageBlock> {
  const { width, height } = sizeFromHeader(bytes)
  const about = `${width} × ${height} px ${kind(type)}`
  if (Math.max(width, height) <= MAX_EDGE_PIXELS && bytes.length <= maxBytes) {
    return { image: { base64: bytes.toString('base64'), mimeType: type }, about }
  }
  const problem = unscalable(bytes, type, width, height)
  if (problem !== undefined) {
    throw new SandboxError('too_large', `The image is ${about}, ${formatBytes(bytes.length)}: ${problem}.`, {
      hint: `Make a PNG or JPEG of at most ${MAX_EDGE_PIXELS} px in the sandbox (Python Pillow, ImageMagick, ffmpeg), then read that.`,
    })
  }
  const limits = {
    maxEdgePixels: MAX_EDGE_PIXELS,
    maxBytes,
    maxMegapixels: MAX_MEGAPIXELS,
    deadlineMs: DEADLINE_MS,
  }
  const scaled = await scaleImage(bytes, limits, signal)
  const base64 = Buffer.from(scaled.bytes.buffer, scaled.bytes.byteOffset, scaled.bytes.byteLength).toString('base64')
  return {
    image: { base64, mimeType: scaled.mime },
    about: `${about}, shown as ${scaled.width} × ${scaled.height} px ${kind(scaled.mime)}`,
  }
}

/** Why an image cannot be scaled down here. */
function unscalable(bytes: Buffer, type: ImageType, width: number, height: number): string | undefined {
  if (type !== 'image/png' && type !== 'image/jpeg') return `a ${kind(type)} of this size cannot be scaled down here`
  if (width * height > MAX_MEGAPIXELS * 1_000_000) return `more than ${MAX_MEGAPIXELS} megapixels`
  // The decoder inflates interlaced images without a bound (decompression bombs).
  if (type === 'image/png' && bytes[PNG_INTERLACE_OFFSET] !== 0) return 'an interlaced PNG cannot be scaled down here'
  return undefined
}

/** The interlace method in IHDR (PNG specification, 11.2.2). */
const PNG_INTERLACE_OFFSET = 28

function sizeFromHeader(bytes: Buffer): { width: number; height: number } {
  try {
    const { width, height } = imageSize(bytes.subarray(0, HEADER_BYTES))
    if (width > 0 && height > 0) return { width, height }
  } catch (cause) {
    throw unreadable(cause)
  }
  throw unreadable()
}

function unreadable(cause?: unknown): SandboxError {
  return new SandboxError('invalid_argument', 'The image is damaged: its size cannot be read.', {
    hint: 'Write it anew, or read it with as="base64".',
    cause,
  })
}

function kind(type: ImageType): string {
  return type.slice('image/'.length).toUpperCase()
}
