import { describe, expect, test } from 'vitest'
import { describeConfig, settingsHelp } from '../../../src/config/describe.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { SETTING_KEYS } from '../../../src/config/settings.ts'

function shownEngine(engine: string): string | undefined {
  const loaded = loadConfig({ flags: { engine }, env: {} })
  return describeConfig(loaded).find(({ key }) => key === 'engine')?.value
}

describe('the password of an address is masked', () => {
  test.each([
    ['tcp://user:secret@host:2375', 'tcp://user:***@host:2375'],
    ['ssh://:secret@host', 'ssh://:***@host'],
    ['ssh://user:se@cret@host', 'ssh://user:***@host'],
    ['ssh://user:se/cret@host', 'ssh://user:***@host'],
    ['ssh://user:se:cret@host', 'ssh://user:***@host'],
  ])('%s', (given, shown) => expect(shownEngine(given)).toBe(shown))

  test.each(['unix:///var/run/docker.sock', 'tcp://host:2375', 'ssh://user@host:22'])('%s has none', (address) => {
    expect(shownEngine(address)).toBe(address)
  })
})

test('every setting is described with its source', () => {
  const described = describeConfig(loadConfig({ flags: { memory: '1g' }, env: { SANDBOX_CPUS: '2' } }))
  expect(described.map(({ key }) => key)).toEqual(SETTING_KEYS)
  expect(described).toContainEqual({ key: 'memory', value: '1g', source: 'flag --memory' })
  expect(described).toContainEqual({ key: 'cpus', value: '2', source: 'env SANDBOX_CPUS' })
  expect(described).toContainEqual({ key: 'pids', value: '256', source: 'default' })
})

test('every setting is in the help', () => {
  const help = settingsHelp()
  expect(help).toHaveLength(SETTING_KEYS.length)
  expect(help).toContainEqual(
    expect.objectContaining({ flag: '--idle-timeout', variable: 'SANDBOX_IDLE_TIMEOUT', fallback: '30m' }),
  )
  for (const { about } of help) expect(about).not.toBe('')
})

test('a setting that is an object is shown as it was given', () => {
  const loaded = loadConfig({ flags: {}, env: {} })
  const given = {
    ...loaded,
    origin: { ...loaded.origin, runtimes: { given: { alice: 'polyglot' }, source: 'file x' } },
  }
  expect(describeConfig(given)).toContainEqual({ key: 'runtimes', value: '{"alice":"polyglot"}', source: 'file x' })
})
