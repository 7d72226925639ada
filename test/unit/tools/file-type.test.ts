import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { typeByMagic } from '../../../src/tools/file-type.ts'
import { imageType } from '../../../src/tools/images/image-type.ts'
import { png } from '../../helpers/png.ts'
import { zip } from '../../helpers/zip.ts'

describe('kinds of files by their first bytes', () => {
  test.each([
    ['ELF program', Buffer.from('\x7fELF\x02\x01')],
    ['zip archive', zip([{ name: 'a' }])],
    ['gzip data', gzipSync('x')],
    ['SQLite database', Buffer.from('SQLite format 3\0')],
    ['PDF document', Buffer.from('%PDF-1.7')],
    ['tar archive', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar')])],
  ])('%s', (name, bytes) => {
    expect(typeByMagic(bytes)).toBe(name)
  })

  test('what is unknown or too short has no name', () => {
    expect(typeByMagic(Buffer.from('hello'))).toBeUndefined()
    expect(typeByMagic(Buffer.alloc(0))).toBeUndefined()
  })

  test.each([
    ['image/png', png(1, 1)],
    ['image/jpeg', Buffer.from('ffd8ffe000104a464946', 'hex')],
    ['image/gif', Buffer.from('GIF89a')],
    ['image/webp', Buffer.from('RIFF\x10\0\0\0WEBPVP8 ')],
  ])('%s is known as an image', (type, bytes) => {
    expect(imageType(bytes)).toBe(type)
  })

  test('a RIFF that is no WebP, and text, are no images', () => {
    expect(imageType(Buffer.from('RIFF\x10\0\0\0WAVEfmt '))).toBeUndefined()
    expect(imageType(Buffer.from('PNG'))).toBeUndefined()
  })
})
