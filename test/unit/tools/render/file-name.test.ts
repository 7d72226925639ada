import { describe, expect, test } from 'vitest'
import { fileName } from '../../../../src/tools/render/file-name.ts'

describe('file names from a sandbox', () => {
  test('an ordinary name is the same in both forms', () => {
    expect(fileName(Buffer.from('naïve 🦆.txt'))).toEqual({
      exact: 'naïve 🦆.txt',
      isUtf8: true,
      visible: 'naïve 🦆.txt',
    })
  })

  test('line ends, escape sequences and hidden characters are written out for the eye and exact for programs', () => {
    const name = 'a\nb\r\x1b[31mc\u202egpj'
    expect(fileName(Buffer.from(name))).toEqual({
      exact: name,
      isUtf8: true,
      visible: 'a\\x0ab\\x0d\\x1b[31mc\\u{202e}gpj',
    })
  })

  test('bytes that are not UTF-8 are escaped one by one, and the name says so', () => {
    const name = Buffer.concat([Buffer.from('é'), Buffer.from([0xff, 0xc3]), Buffer.from('x🦆')])
    expect(fileName(name)).toEqual({ exact: 'é\\xff\\xc3x🦆', isUtf8: false, visible: 'é\\xff\\xc3x🦆' })
  })
})
