import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { expectRefused, extract } from '../../../helpers/extracting.ts'
import { FakeSupervisor } from '../../../helpers/fake-supervisor.ts'
import { octal, tarHeader, tarOf } from '../../../helpers/tar.ts'

const HELLO = Buffer.from('hello')
const FILE = [tarHeader({ name: 'x', size: octal(HELLO.length) }), HELLO]
/** 2^63 as base 256, which GNU uses where octal digits do not suffice. */
const HUGE = Buffer.from([0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0])
const NEGATIVE = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0])

/** An extended header (POSIX pax): "length key=value\n". */
function pax(...records: readonly string[]): Buffer[] {
  const body = Buffer.from(records.map((record) => `${record.length + 4} ${record}\n`).join(''))
  return [tarHeader({ name: 'PaxHeader', type: 'x', size: octal(body.length) }), body]
}

test('the archives of these tests are such as would be taken', async () => {
  const fake = new FakeSupervisor()
  expect(await extract(tarOf(...FILE), 'tar', fake)).toEqual({ files: 1, bytes: 5 })
  expect(await extract(tarOf(...pax('path=long'), ...FILE), 'tar', fake)).toEqual({ files: 1, bytes: 5 })
  expect([fake.text('out/x'), fake.text('out/long')]).toEqual(['hello', 'hello'])
})

describe('refused for what it is', () => {
  test.each([
    ['a symbolic link', tarHeader({ type: '2', linkname: '/etc/passwd' })],
    ['a hard link', tarHeader({ type: '1', linkname: '../x' })],
    ['a device', tarHeader({ type: '3' })],
    ['a device', tarHeader({ type: '4' })],
    ['a pipe', tarHeader({ type: '6' })],
    ['of an unknown kind', tarHeader({ type: 'S' })],
    ['of an unknown kind', tarHeader({ type: 'V' })],
    ['of an unknown kind', tarHeader({ type: 'M' })],
    ['of an unknown kind', tarHeader({ type: 'Z' })],
  ])('%s', async (words, header) => {
    await expectRefused(tarOf(...FILE, header), 'tar', 'invalid_argument', new RegExp(`x is ${words}`))
  })

  test('a sparse file in the form of a plain one', async () => {
    const bytes = tarOf(...pax('GNU.sparse.major=1', 'GNU.sparse.name=x'), ...FILE)
    await expectRefused(bytes, 'tar', 'invalid_argument', /a sparse file/)
  })
})

describe('refused for its name', () => {
  test.each([
    ['../x', /leads out/],
    ['a/../../b', /leads out/],
    ['/abs', /absolute path/],
    ['C:\\x', /absolute path/],
    ['..\\x', /backslash/],
    [Buffer.from([0x66, 0xff, 0xfe]), /not UTF-8/],
    ['', /has no name/],
    ['.', /has no name/],
  ])('%j', async (name, words) => {
    await expectRefused(tarOf(...FILE, tarHeader({ name })), 'tar', 'invalid_argument', words)
  })

  test.each([
    ['path=../x', /leads out/],
    ['path=/abs/x', /absolute path/],
    [`path=${'d/'.repeat(64)}x`, /directories deep/],
    [`path=${'n'.repeat(200)}/${'n'.repeat(200)}/${'n'.repeat(200)}/${'n'.repeat(200)}/${'n'.repeat(250)}`, /too long/],
  ])('in an extended header: %s', async (record, words) => {
    await expectRefused(tarOf(...longPax(record), ...FILE), 'tar', 'invalid_argument', words)
  })

  test('in the prefix of the header', async () => {
    const header = tarHeader({ name: 'x', prefix: '../..' })
    await expectRefused(tarOf(header), 'tar', 'invalid_argument', /leads out/)
  })
})

describe('refused for its size', () => {
  test.each([
    ['declared as 2^63', HUGE, 'too_large', /8 GiB/],
    ['negative', NEGATIVE, 'invalid_argument', /not a readable tar/],
    ['no number', 'zzzzzzzzzzz\0', 'invalid_argument', /not a readable tar/],
    ['more than there is', octal(1_000_000), 'invalid_argument', /not a readable tar/],
  ] as const)('%s', async (_, size, code, words) => {
    await expectRefused(tarOf(tarHeader({ size }), HELLO), 'tar', code, words)
  })

  test('in an extended header', async () => {
    const bytes = tarOf(...pax('size=99999999999999'), ...FILE)
    await expectRefused(bytes, 'tar', 'too_large', /8 GiB/)
  })

  test('of an extended header, before it is held in memory', async () => {
    const header = tarHeader({ type: 'L', size: octal(5 * 1024 ** 3) })
    await expectRefused(tarOf(header, HELLO), 'tar', 'invalid_argument', /not a readable tar/)
  })
})

describe('refused as damaged', () => {
  test('a wrong checksum', async () => {
    const bytes = tarOf(...FILE, tarHeader({ name: 'y', checksum: '0000000\0' }))
    await expectRefused(bytes, 'tar', 'invalid_argument', /not a readable tar/)
  })

  test('another format', async () => {
    await expectRefused(tarOf(tarHeader({ magic: 'zipzip00' })), 'tar', 'invalid_argument', /not a readable tar/)
  })

  test('an end between two entries, without the end mark', async () => {
    const whole = tarOf(...FILE, ...FILE)
    await expectRefused(whole.subarray(0, 1024), 'tar', 'invalid_argument', /or not all of one/)
    await expectRefused(gzipSync(whole.subarray(0, 1024)), 'tar.gz', 'invalid_argument', /or not all of one/)
  })

  test('more after the end of the compressed part', async () => {
    const bytes = Buffer.concat([gzipSync(tarOf(...FILE)), Buffer.alloc(100_000, 'x')])
    await expectRefused(bytes, 'tar.gz', 'invalid_argument', /not a readable tar\.gz/)
  })

  test.each([
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
    ['bzip2', [0x42, 0x5a, 0x68, 0x39]],
    ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
    ['gzip', [0x1f, 0x8b, 0x08]],
  ])('what is compressed with %s, as a plain tar', async (_, magic) => {
    const bytes = Buffer.concat([Buffer.from(magic), Buffer.alloc(2000, 1)])
    await expectRefused(bytes, 'tar', 'invalid_argument', /not a readable tar/)
  })
})

test('set-uid bits, owners and extended attributes do not get in', async () => {
  const fake = new FakeSupervisor()
  const header = tarHeader({ name: 'tool', mode: '0006755\0', size: octal(HELLO.length) })
  await extract(tarOf(...pax('SCHILY.xattr.security.capability=x', 'uid=0'), header, HELLO), 'tar', fake)
  expect(fake.files.get('/workspace/out/tool')).toEqual({ data: HELLO, executable: true })
})

/** As pax, for a record whose length has more digits. */
function longPax(record: string): Buffer[] {
  const plain = record.length + 2
  const length = plain + String(plain + String(plain).length).length
  const body = Buffer.from(`${length} ${record}\n`)
  return [tarHeader({ name: 'PaxHeader', type: 'x', size: octal(body.length) }), body]
}
