import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connectStrategies, findEngine } from '../../../../src/engine/docker/connect.ts'
import type { ConnectSources, EngineAddress } from '../../../../src/engine/docker/engine-address.ts'
import { isSandboxError } from '../../../../src/errors/sandbox-error.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'connect-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

/** Surroundings with a home and a root of their own. */
function sources(overrides: Partial<ConnectSources> = {}): ConnectSources {
  return {
    host: undefined,
    env: {},
    platform: 'linux',
    homeDir: join(directory, 'home'),
    rootDir: join(directory, 'root'),
    ...overrides,
  }
}

function put(path: string, content = ''): string {
  const whole = join(directory, path)
  mkdirSync(dirname(whole), { recursive: true })
  writeFileSync(whole, content)
  return whole
}

function putContext(name: string, host: string): string {
  const hash = createHash('sha256').update(name).digest('hex')
  put(
    `home/.docker/contexts/meta/${hash}/meta.json`,
    JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }),
  )
  return hash
}

const isInvalid = expect.toSatisfy((error) => isSandboxError(error, 'config_invalid'))

describe('the order of the search', () => {
  test('is the configuration, DOCKER_HOST, the docker context, a usual socket', () => {
    expect(connectStrategies(sources()).map(({ name }) => name)).toEqual([
      'configuration',
      'DOCKER_HOST',
      'docker context',
      'usual socket',
    ])
  })

  test('stops at the first that applies, and says where the address came from', () => {
    const usual = put('root/var/run/docker.sock')
    expect(findEngine(sources())).toEqual({ source: `usual socket ${usual}`, socketPath: usual })

    putContext('colima', 'unix:///colima.sock')
    put('home/.docker/config.json', JSON.stringify({ currentContext: 'colima' }))
    expect(findEngine(sources())).toEqual({ source: 'docker context "colima"', socketPath: '/colima.sock' })

    const env = { DOCKER_HOST: 'unix:///env.sock' }
    expect(findEngine(sources({ env }))).toEqual({ source: 'DOCKER_HOST', socketPath: '/env.sock' })

    expect(findEngine(sources({ env, host: '/own.sock' }))).toEqual({
      source: 'configuration',
      socketPath: '/own.sock',
    })
  })

  test('ends at the standard socket when there is none, so that an engine may be started later', () => {
    expect(findEngine(sources())).toEqual({
      source: 'default',
      socketPath: join(directory, 'root/var/run/docker.sock'),
    })
  })
})

describe('an address', () => {
  const address = (host: string, env: ConnectSources['env'] = {}): Partial<EngineAddress> => {
    const { source: _, ...rest } = findEngine(sources({ host, env }))
    return rest
  }

  test.each([
    ['/run/docker.sock', { socketPath: '/run/docker.sock' }],
    ['unix:///run/docker.sock', { socketPath: '/run/docker.sock' }],
    ['npipe:////./pipe/docker_engine', { socketPath: '//./pipe/docker_engine' }],
    ['tcp://127.0.0.1:2375', { host: '127.0.0.1', port: 2375, protocol: 'http' }],
    ['tcp://localhost', { host: 'localhost', port: 2375, protocol: 'http' }],
    ['localhost:1234', { host: 'localhost', port: 1234, protocol: 'http' }],
    ['tcp://[::1]:2375', { host: '::1', port: 2375, protocol: 'http' }],
    ['https://engine.example', { host: 'engine.example', port: 2376, protocol: 'https', tls: {} }],
  ])('%s is understood', (host, expected) => {
    expect(address(host)).toEqual(expected)
  })

  test('of SSH has a user, an agent, and a check of the key of the host', () => {
    const ssh = address('ssh://me@engine.example:2222', { SSH_AUTH_SOCK: '/agent.sock' })
    expect(ssh).toMatchObject({
      host: 'engine.example',
      port: 2222,
      protocol: 'ssh',
      username: 'me',
      ssh: { agent: '/agent.sock' },
    })
    const verify = ssh.ssh?.hostVerifier as (key: Buffer) => boolean
    expect(verify(Buffer.from('a key that no file knows'))).toBe(false)
  })

  test('of plain TCP to another machine carries a warning', () => {
    expect(address('tcp://10.0.0.5:2375').warning).toContain('plain TCP')
    expect(address('tcp://127.0.0.1:2375').warning).toBeUndefined()
  })

  test.each(['ftp://x', 'unix://relative', 'unix://', 'tcp://', 'tcp://:2375', 'http://a b', 'ssh://'])(
    '%j is refused',
    (host) => {
      expect(() => findEngine(sources({ host }))).toThrow(isInvalid)
    },
  )
})

describe('DOCKER_TLS_VERIFY', () => {
  test('asks for TLS with the files of DOCKER_CERT_PATH', () => {
    put('certs/ca.pem', 'CA')
    put('certs/cert.pem', 'CERT')
    put('certs/key.pem', 'KEY')
    const env = { DOCKER_HOST: 'tcp://10.0.0.5', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: join(directory, 'certs') }
    expect(findEngine(sources({ env }))).toEqual({
      source: 'DOCKER_HOST',
      host: '10.0.0.5',
      port: 2376,
      protocol: 'https',
      tls: { ca: 'CA', cert: 'CERT', key: 'KEY' },
    })
  })

  test('uses the files of ~/.docker when no other place is named', () => {
    put('home/.docker/ca.pem', 'CA')
    const env = { DOCKER_HOST: 'tcp://10.0.0.5:1', DOCKER_TLS_VERIFY: 'yes' }
    expect(findEngine(sources({ env }))).toMatchObject({ port: 1, tls: { ca: 'CA' } })
  })

  test('means nothing when it is empty', () => {
    const env = { DOCKER_HOST: 'tcp://127.0.0.1:2375', DOCKER_TLS_VERIFY: '' }
    expect(findEngine(sources({ env }))).toMatchObject({ protocol: 'http' })
  })
})

describe('the docker context', () => {
  test('of DOCKER_CONTEXT goes before that of the file', () => {
    putContext('one', 'unix:///one.sock')
    putContext('two', 'unix:///two.sock')
    put('home/.docker/config.json', JSON.stringify({ currentContext: 'one' }))
    expect(findEngine(sources({ env: { DOCKER_CONTEXT: 'two' } })).socketPath).toBe('/two.sock')
  })

  test('brings its own certificates', () => {
    const hash = putContext('far', 'tcp://10.0.0.5:2376')
    put(`home/.docker/contexts/tls/${hash}/docker/ca.pem`, 'CA')
    expect(findEngine(sources({ env: { DOCKER_CONTEXT: 'far' } }))).toMatchObject({
      protocol: 'https',
      tls: { ca: 'CA' },
    })
  })

  test('is looked for in DOCKER_CONFIG', () => {
    put('elsewhere/config.json', JSON.stringify({ currentContext: 'default' }))
    expect(findEngine(sources({ env: { DOCKER_CONFIG: join(directory, 'elsewhere') } })).source).toBe('default')
  })

  test.each(['default', ''])('%j is none', (currentContext) => {
    put('home/.docker/config.json', JSON.stringify({ currentContext }))
    expect(findEngine(sources()).source).toBe('default')
  })

  test('that does not exist is an error that names it, and not another engine', () => {
    put('root/var/run/docker.sock')
    put('home/.docker/config.json', JSON.stringify({ currentContext: 'gone' }))
    expect(() => findEngine(sources())).toThrow('"gone"')
  })

  test('in a file that is not JSON is an error', () => {
    put('home/.docker/config.json', '{')
    expect(() => findEngine(sources())).toThrow(isInvalid)
  })
})

describe('the usual sockets', () => {
  test.each([
    'root/var/run/docker.sock',
    'home/.docker/run/docker.sock',
    'home/.docker/desktop/docker.sock',
    'run-user/docker.sock',
    'home/.colima/default/docker.sock',
    'home/.rd/docker.sock',
    'home/.orbstack/run/docker.sock',
  ])('include %s', (path) => {
    const whole = put(path)
    const env = { XDG_RUNTIME_DIR: join(directory, 'run-user') }
    expect(findEngine(sources({ env })).socketPath).toBe(whole)
  })

  test('are named pipes on Windows', () => {
    expect(findEngine(sources({ platform: 'win32' })).socketPath).toBe('//./pipe/docker_engine')
  })
})
