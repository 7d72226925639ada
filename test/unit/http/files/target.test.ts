import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { fileTarget, flag, number, readQuery } from '../../../../src/http/files/target.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

describe('the target of a request', () => {
  test.each([
    ['/', '.', true],
    ['/a.txt', 'a.txt', false],
    ['/a/b%20c', 'a/b c', false],
    ['/a/', 'a', true],
    ['/a//', 'a', true],
    ['//tmp/x', '/tmp/x', false],
    ['/%2Ftmp%2Fx', '/tmp/x', false],
    ['//', '/', true],
    ['/%C3%A9', 'é', false],
    ['/%252e%252e/x', '%2e%2e/x', false],
    ['/a%3Flist', 'a?list', false],
    ['/a+b', 'a+b', false],
  ])('%s is the path %s', (url, path, isDirectory) => {
    expect(fileTarget(url)).toMatchObject({ path, isDirectory })
  })

  test.each(['/%', '/%f', '/%zz', '/%ff', '/a%C3', '/%ED%A0%80', '/%C0%AF'])(
    '%s is no UTF-8 in percent-encoding, and refused',
    async (url) => {
      await expectCode(
        Promise.resolve().then(() => fileTarget(url)),
        'invalid_argument',
      )
    },
  )

  test('a question mark begins the query, another one belongs to it', () => {
    const { path, query } = fileTarget('/a?list&sort=name?')
    expect(path).toBe('a')
    expect([...query]).toEqual([
      ['list', ''],
      ['sort', 'name?'],
    ])
  })
})

describe('a query', () => {
  const schema = z.strictObject({ recursive: flag, limit: number(1, 10).default(5) })
  const read = (text: string) => readQuery(new URLSearchParams(text), schema)

  test.each([
    ['', { recursive: false, limit: 5 }],
    ['recursive', { recursive: true, limit: 5 }],
    ['recursive=true&limit=10', { recursive: true, limit: 10 }],
    ['recursive=false', { recursive: false, limit: 5 }],
  ])('"%s" is read', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  test.each([
    ['recursiv', 'recursiv: unknown; there are recursive, limit'],
    ['limit=1&limit=2', 'limit: is there twice'],
    ['limit=0', 'limit'],
    ['limit=1e1', 'limit: give a whole number'],
    ['limit=11', 'limit'],
    ['recursive=maybe', 'recursive: takes no value'],
    ['__proto__=x', '__proto__: unknown'],
    ['toString', 'toString: unknown'],
  ])('"%s" is refused and says why', async (text, message) => {
    const error = await expectCode(
      Promise.resolve().then(() => read(text)),
      'invalid_argument',
    )
    expect(error.message).toContain(message)
  })
})
