import { describe, expect, test } from 'vitest'
import { ByteSource } from '../../../../src/backup/archive/byte-source.ts'
import { encodeHeader, readHeader, type TarHeader } from '../../../../src/backup/archive/tar-header.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { inPieces } from '../../../helpers/workspace-stream.ts'

const PLAIN: TarHeader = { type: '0', path: 'a', target: '', mode: 0o644, mtime: '1.000000000', size: 0 }

function read(bytes: Uint8Array) {
  return readHeader(new ByteSource(inPieces(bytes, 100)))
}

/** A header with the checksum that fits it. */
function mended(block: Buffer): Buffer {
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

describe('a header', () => {
  test.each<[string, Partial<TarHeader>]>([
    ['a plain file', {}],
    ['a path of exactly 100 bytes', { path: 'p'.repeat(100) }],
    ['a path of 101 bytes', { path: 'p'.repeat(101) }],
    ['a path whose record’s length has one digit more than its rest', { path: 'p'.repeat(200).slice(0, 189) }],
    ['the longest path', { path: `${'d/'.repeat(2047)}f` }],
    ['a name that is not UTF-8', { path: '\xff\xfe' }],
    ['a long name that is not UTF-8', { path: `\xff${'x'.repeat(150)}` }],
    ['a link with a long target', { type: '2', target: '\xe9'.repeat(300) }],
    ['all mode bits', { mode: 0o7777 }],
    ['nanoseconds', { mtime: '1700000000.000000001' }],
    ['a time before 1970', { mtime: '-1.250000000' }],
    ['a time just before 1970', { mtime: '-0.500000000' }],
    ['a time beyond ustar', { mtime: '99999999999.000000000' }],
    ['a size beyond ustar', { size: 2 ** 40 }],
    ['a file with holes', { sparseSize: 2 ** 41, size: 4096, path: 'holes' }],
  ])('%s comes back as it was', async (_, given) => {
    const header = { ...PLAIN, ...given }
    const encoded = encodeHeader(header)
    expect(encoded.length % 512).toBe(0)
    expect(await read(encoded)).toEqual(header)
  })

  test('two blocks of zeros are the end', async () => {
    expect(await read(Buffer.alloc(1024))).toBeUndefined()
    await expectCode(read(Buffer.concat([Buffer.alloc(512), encodeHeader(PLAIN)])), 'backup_damaged')
  })

  test('a flipped bit anywhere in it is found', async () => {
    const encoded = encodeHeader(PLAIN)
    for (let at = 0; at < 512; at += 7) {
      const broken = Buffer.from(encoded)
      broken[at] = (broken[at] ?? 0) ^ 0x10
      await expectCode(read(broken), 'backup_damaged')
    }
  })

  test.each([
    ['a record that is not known', '16 GNU.dumb=yes\n'],
    ['a record twice', '9 path=a\n9 path=b\n'],
    ['a length that is too long', '99 path=a\n'],
    ['a length of zero', '0 path=a\n'],
    ['a record without its end', '9 path=ab'],
    ['a record without a value', '7 path\n'],
    ['a size that is no number', '12 size=1e9\n'],
    ['a size that no number holds', '25 size=9999999999999999\n'],
    ['a time with letters', '14 mtime=soon\n'],
    ['another character set', '19 hdrcharset=UTF-8\n'],
  ])('%s is refused', async (_, records) => {
    const pax = Buffer.alloc(512)
    pax.write(records, 'latin1')
    const header = encodeHeader({ ...PLAIN, type: 'x', size: records.length })
    await expectCode(read(Buffer.concat([header, pax, encodeHeader(PLAIN)])), 'backup_damaged')
  })

  test('a pax header that asks for much memory is refused before it is read', async () => {
    const header = mended(encodeHeader({ ...PLAIN, type: 'x', size: 2 ** 30 }))
    await expectCode(read(header), 'backup_damaged')
  })
})
