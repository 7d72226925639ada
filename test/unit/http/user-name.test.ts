import { expect, test } from 'vitest'
import { isUserName } from '../../../src/http/user-name.ts'

test.each(['a', 'alice@example.com', 'auth0|5f7c', 'a/b', '..', 'Zoë', '山田 太郎', '🙂', 'x'.repeat(256)])(
  '%j is a name',
  (name) => {
    expect(isUserName(name)).toBe(true)
  },
)

test.each([
  '',
  ' ',
  ' a',
  'a ',
  'a\n',
  'a\0b',
  'a\u007f',
  'a\u200bb',
  'a\u202eb',
  'a\u2028b',
  '\ud800',
  'a\udc00',
  '\ue000',
  'x'.repeat(257),
])('%j is none', (name) => expect(isUserName(name)).toBe(false))
