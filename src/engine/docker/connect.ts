import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { dockerContext } from './docker-context.ts'
import { readTls, type ConnectSources, type EngineAddress, type TlsMaterial } from './engine-address.ts'
import { addressFromUrl } from './engine-url.ts'

/** One way to find an engine. */
export interface ConnectStrategy {
  readonly name: string
  /** The address, or undefined when this way does not apply. Fails with `config_invalid` when it does but is broken. */
  getResult(): EngineAddress | undefined
}

/** The ways to find an engine, in order of precedence: what was said most explicitly wins. */
export function connectStrategies(sources: ConnectSources): readonly ConnectStrategy[] {
  return [
    { name: 'configuration', getResult: () => fromConfiguration(sources) },
    { name: 'DOCKER_HOST', getResult: () => fromDockerHost(sources) },
    { name: 'docker context', getResult: () => dockerContext(sources) },
    { name: 'usual socket', getResult: () => fromUsualSockets(sources) },
  ]
}

/**
 * Finds the engine. When nothing points to one, gives the platform's standard socket: its calls fail with
 * `engine_unreachable`, and work as soon as an engine is started there.
 */
export function findEngine(sources: ConnectSources): EngineAddress {
  for (const strategy of connectStrategies(sources)) {
    const result = strategy.getResult()
    if (result) return result
  }
  const [socketPath] = usualSockets(sources)
  return { source: 'default', socketPath: socketPath ?? '/var/run/docker.sock' }
}

/** The search in this process's own surroundings. */
export function systemSources(host: string | undefined, env: ConnectSources['env']): ConnectSources {
  return { host, env, platform: process.platform, homeDir: homedir(), rootDir: '/' }
}

function fromConfiguration({ host, env, homeDir }: ConnectSources): EngineAddress | undefined {
  if (!host) return undefined
  return addressFromUrl(host, { source: 'configuration', env, homeDir, tls: tlsFromEnv({ env, homeDir }) })
}

function fromDockerHost({ env, homeDir }: ConnectSources): EngineAddress | undefined {
  const host = env['DOCKER_HOST']
  if (!host) return undefined
  return addressFromUrl(host, { source: 'DOCKER_HOST', env, homeDir, tls: tlsFromEnv({ env, homeDir }) })
}

/**
 * As the docker command line does: DOCKER_TLS_VERIFY (any non-empty value) asks for TLS with the files of DOCKER_CERT_PATH, or of
 * ~/.docker. https://docs.docker.com/reference/cli/docker/#environment-variables
 */
function tlsFromEnv({ env, homeDir }: Pick<ConnectSources, 'env' | 'homeDir'>): TlsMaterial | undefined {
  return env['DOCKER_TLS_VERIFY'] ? readTls(env['DOCKER_CERT_PATH'] ?? join(homeDir, '.docker')) : undefined
}

function fromUsualSockets(sources: ConnectSources): EngineAddress | undefined {
  const socketPath = usualSockets(sources).find((path) => existsSync(path))
  return socketPath === undefined ? undefined : { source: `usual socket ${socketPath}`, socketPath }
}

/** Where engines put their socket: Docker, Docker Desktop (two places), rootless Docker, Colima, Rancher Desktop, OrbStack. */
function usualSockets({ platform, homeDir, env, rootDir }: ConnectSources): readonly string[] {
  if (platform === 'win32') return ['//./pipe/docker_engine', '//./pipe/dockerDesktopLinuxEngine']
  const runtimeDir = env['XDG_RUNTIME_DIR']
  return [
    join(rootDir, 'var/run/docker.sock'),
    join(homeDir, '.docker/run/docker.sock'),
    join(homeDir, '.docker/desktop/docker.sock'),
    ...(runtimeDir ? [join(runtimeDir, 'docker.sock')] : []),
    join(homeDir, '.colima/default/docker.sock'),
    join(homeDir, '.rd/docker.sock'),
    join(homeDir, '.orbstack/run/docker.sock'),
  ]
}
