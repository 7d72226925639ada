// @ts-check
/**
 * Runs in a worker thread that decodes one hostile image, and is thrown away after it: scales it into a box and encodes it small
 * enough. Plain JavaScript, because a worker is loaded by file name, from the sources in tests as from the build.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { createJimp } from '@jimp/core'
import jpeg from '@jimp/js-jpeg'
import png from '@jimp/js-png'
import { methods as resize } from '@jimp/plugin-resize'

const Jimp = createJimp({ formats: [png, jpeg], plugins: [resize] })
/** @type {{ bytes: Uint8Array } & import('./scale-image.ts').ScaleLimits} */
const { bytes, maxEdgePixels, maxBytes, maxMegapixels } = workerData
/** @typedef {Awaited<ReturnType<typeof Jimp.fromBuffer>>} Image */

/**
 * Tried in this order until one is small enough: lossless first, then smaller.
 * @type {{ share: number, mime: 'image/png' | 'image/jpeg', quality?: number }[]}
 */
const ATTEMPTS = [
  { share: 1, mime: 'image/png' },
  { share: 1, mime: 'image/jpeg', quality: 85 },
  { share: 0.7, mime: 'image/jpeg', quality: 75 },
  { share: 0.4, mime: 'image/jpeg', quality: 60 },
]

const image = await Jimp.fromBuffer(Buffer.from(bytes), {
  'image/jpeg': { maxResolutionInMP: maxMegapixels, maxMemoryUsageInMB: 512 },
})
// A photograph as PNG is never small: no time is spent on it.
const attempts = image.mime === 'image/png' ? ATTEMPTS : ATTEMPTS.slice(1)
// A worker's port has no origin to name.
// oxlint-disable-next-line unicorn/require-post-message-target-origin
parentPort?.postMessage(await smallEnough(image))

/**
 * @param {Image} image
 * @returns {Promise<import('./scale-image.ts').ScaledImage | undefined>}
 */
async function smallEnough(image) {
  const longest = Math.max(image.width, image.height)
  for (const { share, mime, quality } of attempts) {
    const edge = Math.min(longest, Math.round(maxEdgePixels * share))
    if (edge < Math.max(image.width, image.height)) image.scaleToFit({ w: edge, h: edge })
    if (mime === 'image/jpeg') flatten(image.bitmap.data)
    const encoded =
      quality === undefined ? await image.getBuffer(mime) : await image.getBuffer('image/jpeg', { quality })
    if (encoded.length <= maxBytes) return { bytes: encoded, mime, width: image.width, height: image.height }
  }
  return undefined
}

/**
 * Puts white behind what is transparent: JPEG knows no transparency and would show black.
 * @param {Buffer} rgba
 */
function flatten(rgba) {
  for (let at = 0; at < rgba.length; at += 4) {
    const alpha = rgba.readUInt8(at + 3)
    if (alpha === 255) continue
    for (let channel = at; channel < at + 3; channel++) {
      rgba[channel] = Math.round((rgba.readUInt8(channel) * alpha + 255 * (255 - alpha)) / 255)
    }
    rgba[at + 3] = 255
  }
}
