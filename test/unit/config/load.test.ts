import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type ConfigInput, loadConfig } from '../../../src/config/load.ts'
import { flagOf, SETTING_KEYS, SETTINGS, variableOf } from '../../../src/config/settings.ts'
import { isSandboxError, type SandboxError } from '../../../src/errors/sandbox-error.ts'

const directory = mkdtempSync(join(tmpdir(), 'sandbox-mcp-config-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let files = 0
function configFile(content: unknown): string {
  const path = join(directory, `${files++}.json`)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

function load(input: Partial<ConfigInput> = {}) {
  return loadConfig({ flags: {}, env: {}, ...input })
}

function refusal(input: Partial<ConfigInput>): SandboxError {
  try {
    load(input)
  } catch (error) {
    if (isSandboxError(error, 'config_invalid')) return error
    throw error
  }
  throw new Error('it was accepted')
}

describe('a setting comes from', () => {
  const file = configFile({ user: 'from file' })
  const env = { SANDBOX_USER: 'from env' }
  const flags = { user: 'from flag' }

  test('its default, when nobody gives it', () => {
    const { config, origin } = load()
    expect(config.user).toBe('local')
    expect(origin.user.source).toBe('default')
  })

  test('the file before the default', () => {
    const { config, origin } = load({ file })
    expect(config.user).toBe('from file')
    expect(origin.user.source).toBe(`file ${file}`)
  })

  test('the environment before the file', () => {
    const { config, origin } = load({ file, env })
    expect(config.user).toBe('from env')
    expect(origin.user.source).toBe('env SANDBOX_USER')
  })

  test('a flag before all', () => {
    const { config, origin } = load({ file, env, flags })
    expect(config.user).toBe('from flag')
    expect(origin.user.source).toBe('flag --user')
  })

  test('elsewhere when its variable is set but empty', () => {
    expect(load({ env: { SANDBOX_USER: '' } }).config.user).toBe('local')
  })
})

test('every default is valid', () => {
  for (const key of SETTING_KEYS) expect(SETTINGS[key].schema.safeParse(SETTINGS[key].fallback).success, key).toBe(true)
})

test('flags and variables are derived from the keys, and differ', () => {
  expect([flagOf('idleTimeout'), variableOf('idleTimeout')]).toEqual(['idle-timeout', 'SANDBOX_IDLE_TIMEOUT'])
  expect([flagOf('user'), variableOf('user')]).toEqual(['user', 'SANDBOX_USER'])
  expect(new Set(SETTING_KEYS.map(variableOf)).size).toBe(SETTING_KEYS.length)
})

describe('units', () => {
  test('become bytes and milliseconds', () => {
    const { config } = load({ flags: { memory: '1GiB', 'idle-timeout': '90', 'max-timeout': '2h', cpus: '0.5' } })
    expect(config).toMatchObject({ memory: 1024 ** 3, idleTimeout: 90_000, maxTimeout: 7_200_000, cpus: 0.5 })
  })

  test('may be numbers in a file: bytes and seconds', () => {
    const { config } = load({ file: configFile({ memory: 67_108_864, idleTimeout: 0.5, pids: 100 }) })
    expect(config).toMatchObject({ memory: 67_108_864, idleTimeout: 500, pids: 100 })
  })
})

describe('what is not valid', () => {
  test('is told all at once, each with its source', () => {
    const file = configFile({ runtime: 'Not A Name', nonsense: 1 })
    const { message } = refusal({
      file,
      env: { SANDBOX_MEMORY: '1KiB', SANDBOX_NETWORK: 'host' },
      flags: { pids: '1.5', 'idle-timeout': '5 parsecs' },
    })
    expect(message.split('\n').map((line) => line.split(':')[0])).toEqual([
      `runtime (file ${file})`,
      'idleTimeout (flag --idle-timeout)',
      'network (env SANDBOX_NETWORK)',
      'memory (env SANDBOX_MEMORY)',
      'pids (flag --pids)',
      `nonsense (file ${file})`,
    ])
    expect(message).toContain('at least 16777216 bytes')
    expect(message).toMatch(/nonsense .*unknown setting; known are transport, user/)
  })

  test.each(['toString', 'constructor', '__proto__', 'idle-timeout'])('the unknown key %s is told', (key) => {
    expect(refusal({ file: configFile(`{"${key}": 1}`) }).message).toContain(`${key} (file`)
  })

  test.each([
    ['cpus', true],
    ['cpus', null],
    ['cpus', [1]],
    ['pids', [100]],
    ['pids', '0x80'],
    ['pids', '1e3'],
    ['maxRunning', ''],
    ['maxRunning', '200 '],
    ['memory', -1],
    ['memory', true],
    ['idleTimeout', -1],
    ['idleTimeout', 1e300],
  ])('%s: %j is not taken for a number', (key, value) => {
    expect(refusal({ file: configFile({ [key]: value }) }).message).toContain(`${key} (file`)
  })

  test('is not repeated in the message: it may be a secret', () => {
    expect(refusal({ env: { SANDBOX_NETWORK: 'tcp://u:hunter2@h' } }).message).not.toContain('hunter2')
  })

  test.each([
    ['missing', join(directory, 'none.json'), 'cannot be read'],
    ['no JSON', configFile('{'), 'is not valid JSON'],
    ['an array', configFile('[]'), 'must hold one JSON object'],
    ['null', configFile('null'), 'must hold one JSON object'],
  ])('as a file is told: %s', (_, file, problem) => {
    expect(refusal({ file }).message).toContain(problem)
  })
})

test('the result cannot be changed', () => {
  expect(Object.isFrozen(load().config)).toBe(true)
})

describe('runtimes of single users', () => {
  test.each([
    ['an object in the file', { file: configFile({ runtimes: { alice: 'polyglot', 'a=b': 'node-minimal' } }) }],
    ['text elsewhere', { env: { SANDBOX_RUNTIMES: 'alice=polyglot, a=b=node-minimal' } }],
  ])('are %s', (_, input) => {
    expect([...load(input).config.runtimes]).toEqual([
      ['alice', 'polyglot'],
      ['a=b', 'node-minimal'],
    ])
  })

  test.each(['alice', '=polyglot', 'alice=../x', 'alice=debian:12'])('cannot be %j', (runtimes) => {
    expect(refusal({ flags: { runtimes } }).message).toContain('runtimes (flag --runtimes)')
  })
})

describe('customRuntimes', () => {
  const load = (env: Record<string, string>) => loadConfig({ flags: {}, env }).config.customRuntimes

  test('are none by default, and a JSON array in a variable', () => {
    expect(load({})).toEqual([])
    expect(load({ SANDBOX_CUSTOM_RUNTIMES: '[{"name":"mine"}]' })).toEqual([{ name: 'mine' }])
  })

  test.each(['{', '{"name":"mine"}', '7'])('%s is refused with the form that is wanted', (text) => {
    expect(() => load({ SANDBOX_CUSTOM_RUNTIMES: text })).toThrow('give a JSON array of runtime definitions')
  })
})
