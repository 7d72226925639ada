import { describe, expect, test } from 'vitest'
import { isSandboxError } from '../../../src/errors/sandbox-error.ts'
import { checkJsonShape } from '../../../src/http/json-shape.ts'

/** The code that a text is refused with; undefined when it passes. */
function refusal(text: string): string | undefined {
  try {
    checkJsonShape(Buffer.from(text))
    return undefined
  } catch (error) {
    return isSandboxError(error) ? error.code : String(error)
  }
}

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

describe('depth', () => {
  test.each([
    ['100 arrays', nested(100), undefined],
    ['101 arrays', nested(101), 'malformed_body'],
    ['101 objects', '{"a":'.repeat(101), 'malformed_body'],
    ['many arrays beside each other', `[${Array.from({ length: 1000 }, () => nested(50)).join()}]`, undefined],
    ['brackets in a string', JSON.stringify('['.repeat(1000)), undefined],
    ['brackets after an escaped quote', JSON.stringify(`"${'['.repeat(1000)}`), undefined],
    ['brackets after an escaped backslash and the end of the string', `["\\\\",${nested(100)}]`, 'malformed_body'],
    ['brackets after three backslashes and a quote', `["\\\\\\"${'['.repeat(1000)}"]`, undefined],
  ])('of %s', (_name, text, code) => expect(refusal(text)).toBe(code))
})

describe('values', () => {
  const zeros = (count: number) => `[${Array.from({ length: count }, () => 0).join()}]`
  test.each([
    ['99,000 in an array', zeros(99_000), undefined],
    ['101,000 in an array', zeros(101_000), 'too_large'],
    ['101,000 empty arrays', `[${Array.from({ length: 101_000 }, () => '[]').join()}]`, 'too_large'],
    ['101,000 keys', `{${Array.from({ length: 101_000 }, (_, at) => `"${at}":0`).join()}}`, 'too_large'],
    ['commas in a string', JSON.stringify(','.repeat(200_000)), undefined],
  ])('%s', (_name, text, code) => expect(refusal(text)).toBe(code))
})

test.each(['', '"', '"\\', ']]]]', '{"a', '"\\"'])('%j, which is no JSON, does no harm', (text) => {
  expect(refusal(text)).toBeUndefined()
})
