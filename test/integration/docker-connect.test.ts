import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findEngine } from '../../src/engine/docker/connect.ts'
import { createDockerEngine, type DockerEngine } from '../../src/engine/docker/docker-engine.ts'
import type { ConnectSources } from '../../src/engine/docker/engine-address.ts'
import { useDocker } from '../helpers/docker.ts'
import { expectCode } from '../helpers/expect-code.ts'
import { run } from '../helpers/stream.ts'

const docker = useDocker()
const openssl = (directory: string, command: string) =>
  promisify(execFile)('openssl', command.split(' '), { cwd: directory })

let certificates: string
let strangers: string
const servers: Server[] = []

beforeAll(async () => {
  certificates = await makeCertificates()
  strangers = await makeCertificates()
})
afterAll(async () => {
  for (const server of servers) server.close()
  await Promise.all([certificates, strangers].map((directory) => rm(directory, { recursive: true })))
})

/** A directory with ca.pem, and cert.pem and key.pem that it signed for 127.0.0.1, for a server as well as for a client. */
async function makeCertificates(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'certs-'))
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  await openssl(directory, `req -x509 ${key} -keyout ca-key.pem -out ca.pem -days 2 -subj /CN=ca`)
  await openssl(
    directory,
    `req -x509 ${key} -keyout key.pem -out cert.pem -days 2 -subj /CN=engine -CA ca.pem -CAkey ca-key.pem -addext subjectAltName=IP:127.0.0.1`,
  )
  return directory
}

/** Passes what comes in on to the engine's socket, and gives the port. */
async function listen(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function pass(client: Socket): void {
  const engine = connect({ path: docker.address.socketPath ?? '', allowHalfOpen: true })
  client.pipe(engine).pipe(client)
  client.on('error', () => engine.destroy())
  engine.on('error', () => client.destroy())
  client.on('close', () => engine.destroy())
}

async function listenTls(): Promise<number> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFile(join(certificates, name))),
  )
  const options = { ca, cert, key, requestCert: true, rejectUnauthorized: true, allowHalfOpen: true }
  return await listen(createTlsServer({ ...options } as object, pass))
}

function engineAt(env: ConnectSources['env']): DockerEngine {
  const sources = { host: undefined, env, platform: process.platform, homeDir: '/nonexistent', rootDir: '/nonexistent' }
  return createDockerEngine({ address: findEngine(sources) })
}

async function expectToWork(engine: DockerEngine): Promise<void> {
  const { id } = await docker.container()
  const { stdout } = await run(engine.containers, id, { command: ['echo', 'hello'], uid: 20_001 })
  expect(stdout.toString()).toBe('hello\n')
  await engine.close()
}

describe('an engine behind TCP', () => {
  test('is used by its address, streams included', async () => {
    const port = await listen(createTcpServer({ allowHalfOpen: true }, pass))
    await expectToWork(engineAt({ DOCKER_HOST: `tcp://127.0.0.1:${port}` }))
  })

  test('that nobody listens at is unreachable', async () => {
    const server = createTcpServer()
    const port = await listen(server)
    await new Promise((resolve) => server.close(resolve))
    await expectCode(engineAt({ DOCKER_HOST: `tcp://127.0.0.1:${port}` }).ping(), 'engine_unreachable')
  })
})

describe('an engine behind TLS', () => {
  const env = (port: number, directory: string) => ({
    DOCKER_HOST: `tcp://127.0.0.1:${port}`,
    DOCKER_TLS_VERIFY: '1',
    DOCKER_CERT_PATH: directory,
  })

  test('is used with certificates on both sides, streams included', async () => {
    await expectToWork(engineAt(env(await listenTls(), certificates)))
  })

  test('whose certificate another authority signed is refused, with a hint', async () => {
    const error = await expectCode(engineAt(env(await listenTls(), strangers)).ping(), 'engine_unreachable')
    expect(error.hint).toContain('certificate')
  })
})
