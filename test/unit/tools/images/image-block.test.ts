import { createJimp } from '@jimp/core'
import jpegFormat from '@jimp/js-jpeg'
import pngFormat from '@jimp/js-png'
import { imageSize } from 'image-size'
import { describe, expect, test } from 'vitest'
import { imageBlock } from '../../../../src/tools/images/image-block.ts'
import { scaleImage } from '../../../../src/tools/images/scale-image.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { png } from '../../../helpers/png.ts'
import { seededBytes } from '../../../helpers/random.ts'

const Jimp = createJimp({ formats: [pngFormat, jpegFormat] })
const LIMITS = { maxEdgePixels: 100, maxBytes: 1_000_000, maxMegapixels: 40, deadlineMs: 10_000 }

async function noise(width: number, height: number, mime: 'image/png' | 'image/jpeg'): Promise<Buffer> {
  const image = new Jimp({ width, height })
  image.bitmap.data.set(seededBytes(image.bitmap.data.length))
  for (let at = 3; at < image.bitmap.data.length; at += 4) image.bitmap.data[at] = 255
  return image.getBuffer(mime)
}

function decoded(base64: string) {
  const bytes = Buffer.from(base64, 'base64')
  return { bytes, size: imageSize(bytes) }
}

describe('images', () => {
  test('an image within the limits passes without being decoded, so also a damaged one', async () => {
    const bytes = png(1568, 10, { raw: Buffer.from('broken') })
    const { image, about } = await imageBlock(bytes, 'image/png')
    expect(image).toEqual({ base64: bytes.toString('base64'), mimeType: 'image/png' })
    expect(about).toBe('1568 × 10 px PNG')
  })

  test('a large PNG is scaled to 1568 px and keeps its shape', async () => {
    const { image, about } = await imageBlock(png(3136, 1568), 'image/png')
    expect(decoded(image.base64).size).toMatchObject({ type: 'png', width: 1568, height: 784 })
    expect(image.mimeType).toBe('image/png')
    expect(about).toBe('3136 × 1568 px PNG, shown as 1568 × 784 px PNG')
  })

  test('an image of few pixels and many bytes becomes a JPEG below 1 MB', async () => {
    const bytes = await noise(700, 500, 'image/png')
    expect(bytes.length).toBeGreaterThan(1_000_000)
    const { image } = await imageBlock(bytes, 'image/png')
    expect(image.mimeType).toBe('image/jpeg')
    expect(decoded(image.base64).bytes.length).toBeLessThanOrEqual(1_000_000)
  })

  test('a large JPEG is scaled as a JPEG', async () => {
    const { image } = await imageBlock(await noise(1700, 60, 'image/jpeg'), 'image/jpeg')
    expect(decoded(image.base64).size).toMatchObject({ type: 'jpg', width: 1568 })
  })

  test('what is transparent becomes white in a JPEG', async () => {
    const clear = new Jimp({ width: 200, height: 200, color: 0x00000000 })
    const scaled = await scaleImage(await clear.getBuffer('image/png'), { ...LIMITS, maxBytes: 700 })
    expect(scaled.mime).toBe('image/png')
    const forced = await scaleImage(await noiseWithAlpha(), { ...LIMITS, maxBytes: 9000 })
    expect(forced.mime).toBe('image/jpeg')
    const pixels = (await Jimp.fromBuffer(Buffer.from(forced.bytes))).bitmap.data
    expect(pixels[0]).toBeGreaterThan(200)
  })

  test('more than 40 megapixels are refused by the header alone', async () => {
    const { message } = await expectCode(
      imageBlock(png(20_000, 20_000, { raw: Buffer.alloc(1) }), 'image/png'),
      'too_large',
    )
    expect(message).toContain('more than 40 megapixels')
  })

  test('an interlaced PNG that would have to be decoded is refused: its decoder has no bound', async () => {
    const { message } = await expectCode(imageBlock(png(2000, 10, { interlaced: true }), 'image/png'), 'too_large')
    expect(message).toContain('interlaced')
  })

  test.each([
    ['image/gif', Buffer.from('GIF89a\x20\x4e\x10\x00\x00\x00\x00', 'latin1')],
    ['image/webp', Buffer.from('RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x0f\0\xff\x0f\0', 'latin1')],
  ] as const)('a large %s says what it is and how to convert it', async (type, bytes) => {
    const { message, hint } = await expectCode(imageBlock(bytes, type), 'too_large')
    expect(message).toMatch(/× .* px (GIF|WEBP)/)
    expect(hint).toContain('Pillow')
  })

  test('a header that cannot be read is told', async () => {
    await expectCode(imageBlock(png(1, 1).subarray(0, 12), 'image/png'), 'invalid_argument')
    await expectCode(imageBlock(png(0, 5), 'image/png'), 'invalid_argument')
  })

  test('a damaged image fails as an error of ours, whatever the decoder throws', async () => {
    await expectCode(imageBlock(png(2000, 10, { raw: Buffer.from('x') }), 'image/png'), 'invalid_argument')
    await expectCode(scaleImage(Buffer.from('neither'), LIMITS), 'invalid_argument')
  })

  test('a decoder that takes too long is ended', async () => {
    const { message } = await expectCode(scaleImage(png(4000, 4000), { ...LIMITS, deadlineMs: 1 }), 'too_large')
    expect(message).toContain('1 ms')
  })

  test('a cancelled call ends the decoder with the reason of the signal', async () => {
    const controller = new AbortController()
    const scaled = scaleImage(png(4000, 4000), LIMITS, controller.signal)
    setImmediate(() => controller.abort(new Error('no longer wanted')))
    await expect(scaled).rejects.toThrow('no longer wanted')
  })
})

async function noiseWithAlpha(): Promise<Buffer> {
  const image = new Jimp({ width: 100, height: 100 })
  image.bitmap.data.set(seededBytes(image.bitmap.data.length))
  for (let at = 3; at < image.bitmap.data.length; at += 4) image.bitmap.data[at] = 0
  return image.getBuffer('image/png')
}
