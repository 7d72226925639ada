import { describe, expect, test } from 'vitest'
import { jsonFault } from '../../../../src/tools/syntax/json-fault.ts'
import { seededBytes } from '../../../helpers/random.ts'

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('faults in JSON', () => {
  test.each([
    ['{"a": 1,}', 1, 8, 'a comma before "}"'],
    ['[1, 2,\n]', 1, 6, 'a comma before "]"'],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, 'expected "," or "}", not "\\""'],
    ["{'a': 1}", 1, 2, 'expected a key in double quotes or "}", not "\'"'],
    ['{"a" 1}', 1, 6, 'expected ":" after the key, not "1"'],
    ['{"a": undefined}', 1, 7, 'expected a value, not "u"'],
    ['{"a": "x\ny"}', 1, 9, 'a line end in a string'],
    ['{"a": "x\\q"}', 1, 9, 'not an escape sequence of JSON'],
    ['"abc', 1, 1, 'a string that does not end'],
    ['[01]', 1, 2, 'not a number, true, false or null'],
    ['{"a": 1} x', 1, 10, '"x" after the end of the value'],
    ['', 1, 1, 'expected a value, not the end'],
    ['{"a": [1, {"b": 2}', 1, 19, 'expected "," or "]", not the end'],
    ['// c\n1', 1, 1, 'expected a value, not "/"'],
    ['\ufeff1', 1, 1, 'a byte order mark'],
  ])('%j: %i:%i %s', (text, line, column, message) => {
    expect(isJson(text)).toBe(false)
    expect(jsonFault(text)).toEqual({ line, column, message })
  })

  test.each([
    '1',
    ' [ ] ',
    '{"a":{"b":[{},[],"\\u00e9\\n",-1.5e+3,true,false,null]}}',
    '"é\u2028"',
    '[[[[1]]],{"":0}]',
  ])('none in %j', (text) => expect(jsonFault(text)).toBeUndefined())

  test('agrees with JSON.parse on texts that are damaged at random', () => {
    const whole = JSON.stringify({ a: [1, -2.5e3, { b: 'x\n"é' }, [], {}], c: null, d: [true, false, [[]]] }, null, 1)
    const letters = '{}[]",:0123eE+-.\\ntrufalse \n'
    const random = seededBytes(60_000)
    let valid = 0
    for (let round = 0; round < 20_000; round++) {
      const [place = 0, what = 0, how = 0] = random.subarray(round * 3)
      const at = Math.floor((place / 256) * whole.length)
      const text = whole.slice(0, at) + (letters[what % letters.length] ?? '') + whole.slice(at + (how % 3))
      expect(jsonFault(text) === undefined, text).toBe(isJson(text))
      if (isJson(text)) valid++
    }
    expect(valid).toBeGreaterThan(100)
  })

  test('deep nesting and long strings take neither the stack nor much time', () => {
    expect(jsonFault('['.repeat(1_000_000))).toMatchObject({ message: 'more than 10000 levels of nesting' })
    expect(jsonFault(`["${'x'.repeat(5_000_000)}\\u12"]`)).toMatchObject({ message: 'not an escape sequence of JSON' })
    expect(jsonFault(`[${'1,\n'.repeat(1_000_000)}2]`)).toBeUndefined()
  })
})
