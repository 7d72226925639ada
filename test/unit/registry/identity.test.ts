import { describe, expect, test } from 'vitest'
import {
  belongsTo,
  containerLabels,
  identityOf,
  installationLabels,
  LABEL,
  uidFromLabels,
  uidOf,
  volumeLabels,
} from '../../../src/registry/identity.ts'

/** Users that a careless mapping to names would confuse, or that no name could hold. */
const USERS = [
  'a/b',
  'a_b',
  'a.b',
  'A_B',
  'a b',
  'a-b',
  'ab',
  'x'.repeat(4096),
  `${'x'.repeat(4095)}y`,
  '😀',
  '..',
  '.',
  ' ',
  'é',
  'e\u0301',
  '\0',
  'a\n',
  'a',
  '\ufffd',
]

/** As Docker takes names of containers and volumes. */
const LEGAL_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,62}$/

describe('users', () => {
  test.each(USERS)('%j has a legal name that does not show it', (user) => {
    const { containerName, volumeName } = identityOf('default', user)
    expect(containerName).toMatch(LEGAL_NAME)
    expect(volumeName).toMatch(LEGAL_NAME)
  })

  test('have names of their own', () => {
    expect(new Set(USERS.map((user) => identityOf('default', user).containerName)).size).toBe(USERS.length)
    expect(new Set(USERS.map((user) => identityOf('default', user).volumeName)).size).toBe(USERS.length)
  })

  test('have the same name in every server, and another in every installation', () => {
    expect(identityOf('default', 'ada')).toEqual(identityOf('default', 'ada'))
    expect(identityOf('default', 'ada').containerName).toBe('sandbox-mcp-93af010dd8708f596294a1a840c57f11')
    expect(identityOf('other', 'ada').containerName).not.toBe(identityOf('default', 'ada').containerName)
    expect(identityOf('a', 'bc').userHash).not.toBe(identityOf('ab', 'c').userHash)
  })

  test.each(['\ud800', 'a\udc00b', '😀\ud83d'])('%j is refused: UTF-8 would confuse it with others', (user) => {
    expect(() => identityOf('default', user)).toThrow('not valid Unicode')
  })
})

describe('uids', () => {
  test('lie in their range, the same for the same user', () => {
    for (let index = 0; index < 2000; index++) {
      const identity = identityOf('default', `user ${index}`)
      const uid = uidOf(identity, { userNamespaces: false })
      expect(uid).toBe(uidOf(identity, { userNamespaces: false }))
      expect(uid).toBeGreaterThanOrEqual(1_100_000)
      expect(uid).toBeLessThan(2_000_000)
      const remapped = uidOf(identity, { userNamespaces: true })
      expect(remapped).toBeGreaterThanOrEqual(20_000)
      expect(remapped).toBeLessThan(60_000)
    }
  })

  test('differ between users, but for a few', () => {
    const uids = Array.from({ length: 1000 }, (_, index) =>
      uidOf(identityOf('default', `user ${index}`), { userNamespaces: false }),
    )
    expect(new Set(uids).size).toBeGreaterThan(990)
  })

  test.each([
    ['20000', 20_000],
    ['1999999', 1_999_999],
    ['0', undefined],
    ['1000', undefined],
    ['2000000', undefined],
    ['20000.5', undefined],
    ['1e6x', undefined],
    ['', undefined],
  ])('of a label %j: %j', (label, uid) => expect(uidFromLabels({ [LABEL.uid]: label })).toBe(uid))

  test('of no label is none', () => expect(uidFromLabels({})).toBeUndefined())
})

describe('labels', () => {
  const identity = identityOf('default', 'ada')
  const container = containerLabels(identity, 'python', 'd1', 1_100_001)
  const volume = volumeLabels(identity, 1_100_001)

  test('say whose it is, and hold no name of a user', () => {
    expect(container).toMatchObject(installationLabels('default'))
    expect(container).toMatchObject({ [LABEL.runtime]: 'python', [LABEL.digest]: 'd1', [LABEL.uid]: '1100001' })
    expect(JSON.stringify([container, volume])).not.toContain('ada')
  })

  test('are known again', () => {
    expect(belongsTo(container, identity, 'sandbox')).toBe(true)
    expect(belongsTo(volume, identity, 'workspace')).toBe(true)
    expect(belongsTo(volume, identity, 'sandbox')).toBe(false)
    expect(belongsTo(container, identity, 'workspace')).toBe(false)
  })

  test.each([LABEL.role, LABEL.installation, LABEL.user, LABEL.schema])('with another %s are foreign', (label) => {
    expect(belongsTo({ ...container, [label]: 'other' }, identity, 'sandbox')).toBe(false)
    const { [label]: _, ...without } = container
    expect(belongsTo(without, identity, 'sandbox')).toBe(false)
  })
})
