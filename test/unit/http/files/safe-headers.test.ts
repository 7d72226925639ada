import { expect, test } from 'vitest'
import { attachment } from '../../../../src/http/files/safe-headers.ts'

test.each([
  ['a.txt', 'attachment; filename="a.txt"'],
  ['a b;c.txt', 'attachment; filename="a b;c.txt"'],
  ['a"b', `attachment; filename="a_b"; filename*=UTF-8''a%22b`],
  ['a\\b', `attachment; filename="a_b"; filename*=UTF-8''a%5Cb`],
  ["é'(x)*", `attachment; filename="_'(x)*"; filename*=UTF-8''%C3%A9%27%28x%29%2A`],
  // A name cannot begin a header of its own.
  ['a\r\nSet-Cookie: x=1', `attachment; filename="a__Set-Cookie: x=1"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x%3D1`],
])('the file name %j is sent as %s', (name, expected) => {
  expect(attachment(name)).toBe(expected)
})
