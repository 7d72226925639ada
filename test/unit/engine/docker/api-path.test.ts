import { describe, expect, test } from 'vitest'
import {
  containerPath,
  imagePath,
  labelFilter,
  splitReference,
  volumePath,
} from '../../../../src/engine/docker/api-path.ts'
import { isSandboxError } from '../../../../src/errors/sandbox-error.ts'

describe('a path of the API', () => {
  test('is made of a name and a call', () => {
    expect(containerPath('sandbox-1_a.b', '/start')).toBe('/containers/sandbox-1_a.b/start')
    expect(volumePath('v1')).toBe('/volumes/v1')
    expect(imagePath('localhost:5000/team/img:1.0', '/json')).toBe('/images/localhost:5000/team/img:1.0/json')
    expect(imagePath(`img@sha256:${'a'.repeat(64)}`)).toBe(`/images/img@sha256:${'a'.repeat(64)}`)
  })

  test.each([
    '',
    '.',
    '..',
    '../volumes/x',
    'a/b',
    'a?force=1',
    'a#b',
    'a b',
    'a%2e',
    '-a',
    'a\n',
    'ü',
    'a'.repeat(600),
  ])('cannot be changed by the name %j', (name) => {
    for (const path of [containerPath, volumePath]) {
      expect(() => path(name)).toThrow(expect.toSatisfy((error) => isSandboxError(error, 'invalid_argument')))
    }
  })

  test.each(['', '..', 'a/../b', 'a?x', 'a b', '/a', 'a%2f', '-a'])(
    'cannot be changed by the reference %j',
    (reference) => {
      expect(() => imagePath(reference)).toThrow('is not an image reference')
    },
  )
})

describe('a reference', () => {
  test.each([
    ['debian', 'debian', 'latest'],
    ['debian:12', 'debian', '12'],
    ['localhost:5000/debian', 'localhost:5000/debian', 'latest'],
    ['localhost:5000/team/debian:12', 'localhost:5000/team/debian', '12'],
    ['debian@sha256:abc', 'debian', 'sha256:abc'],
  ])('%s is %s with the tag %s', (reference, repository, tag) => {
    expect(splitReference(reference)).toEqual({ repository, tag })
  })
})

test('labels become a filter', () => {
  expect(JSON.parse(labelFilter({ a: '1', 'b.c': 'x=y' }))).toEqual({ label: ['a=1', 'b.c=x=y'] })
})
