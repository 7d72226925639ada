import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { announcedSha256, digestField, wantsDigest } from '../../../../src/http/files/digest.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

const HEX = createHash('sha256').update('x').digest('hex')
const BASE64 = createHash('sha256').update('x').digest('base64')
const FIELD = `sha-256=:${BASE64}:`

describe('an announced digest', () => {
  test.each([
    [{}, undefined, undefined],
    [{}, HEX, HEX],
    [{}, HEX.toUpperCase(), HEX],
    [{ 'repr-digest': FIELD }, undefined, HEX],
    [{ 'content-digest': `md5=:AAAA:, ${FIELD}` }, undefined, HEX],
    [{ 'content-digest': FIELD, 'repr-digest': FIELD }, HEX, HEX],
  ])('%j and ?sha256=%s', (headers, query, expected) => {
    expect(announcedSha256(headers, query)).toBe(expected)
  })

  test.each([
    [{}, 'abc'],
    [{}, ''],
    [{ 'repr-digest': '' }, undefined],
    [{ 'repr-digest': `sha-256=${BASE64}` }, undefined],
    [{ 'repr-digest': 'sha-256=:AAAA:' }, undefined],
    // What is announced and cannot be checked is not taken for checked.
    [{ 'repr-digest': 'sha-512=:AAAA:' }, undefined],
    [{ 'repr-digest': FIELD }, '0'.repeat(64)],
  ])('%j and ?sha256=%s is refused', async (headers, query) => {
    await expectCode(
      Promise.resolve().then(() => announcedSha256(headers, query)),
      'invalid_argument',
    )
  })
})

test('the field of a digest is the one that is read', () => {
  expect(digestField(HEX)).toBe(FIELD)
  expect(announcedSha256({ 'repr-digest': digestField(HEX) }, undefined)).toBe(HEX)
})

test.each([
  ['sha-256=10', true],
  ['sha-512=3, sha-256=1', true],
  ['sha-256=0', false],
  ['sha-512=10', false],
  [undefined, false],
])('Want-Repr-Digest: %s wants it: %s', (field, expected) => {
  expect(wantsDigest(field === undefined ? {} : { 'want-repr-digest': field })).toBe(expected)
})
