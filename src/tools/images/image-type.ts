/** The kinds of image that models take. */
export type ImageType = 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp'

/** Bytes from the start of a file that imageType needs. */
export const IMAGE_MAGIC_BYTES = 12

/** The kind of an image by its first bytes; undefined for anything else. */
export function imageType(start: Buffer): ImageType | undefined {
  if (start.subarray(0, 8).toString('latin1') === '\x89PNG\r\n\x1a\n') return 'image/png'
  if (start.subarray(0, 3).toString('hex') === 'ffd8ff') return 'image/jpeg'
  const gif = start.subarray(0, 6).toString('latin1')
  if (gif === 'GIF87a' || gif === 'GIF89a') return 'image/gif'
  const isRiff = start.subarray(0, 4).toString('latin1') === 'RIFF'
  return isRiff && start.subarray(8, 12).toString('latin1') === 'WEBP' ? 'image/webp' : undefined
}
