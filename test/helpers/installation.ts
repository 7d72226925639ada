import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, inject } from 'vitest'
import { createDockerEngine } from '../../src/engine/docker/docker-engine.ts'
import type { EngineAddress } from '../../src/engine/docker/engine-address.ts'
import type { ContainerSummary, Engine, VolumeDetails } from '../../src/engine/engine.ts'
import { identityOf, LABEL, type SandboxIdentity } from '../../src/registry/identity.ts'
import { listOwned } from '../../src/registry/owned.ts'
import { testAddress } from './docker.ts'
import { requireBaseImage } from './images.ts'
import { type ServerOptions, startServer, type TestServer } from './start-server.ts'
import { installationPrefix } from './test-label.ts'

/** An installation of one test file on the real engine: its servers share users and sandboxes, and nothing with other files. */
export interface Installation {
  readonly name: string
  readonly engine: Engine
  readonly address: EngineAddress
  /** A server process of this installation with a client connected to it. `await using` ends it. */
  start(options?: ServerOptions): Promise<TestServer>
  /** One server for all tests of the file or `describe`, with a user of its own. */
  useServer(options?: ServerOptions): () => TestServer
  /** A user that no other test has. */
  newUser(): string
  identityOf(user: string): SandboxIdentity
  /** The containers of one user, or of all. */
  containers(user?: string): Promise<readonly ContainerSummary[]>
  volumes(user?: string): Promise<readonly VolumeDetails[]>
}

/** Call once at the top of a file. Removes the containers and volumes of its users when the file ends. */
export function useInstallation(): Installation {
  const address = testAddress()
  const engine = createDockerEngine({ address })
  const name = `${installationPrefix(inject('runId'))}${randomBytes(4).toString('hex')}`
  const owned = async (user: string | undefined) => {
    const all = await listOwned(engine, name)
    return user === undefined
      ? all
      : all.filter(({ owner }) => owner.identity.userHash === identityOf(name, user).userHash)
  }

  beforeAll(() => requireBaseImage(engine))
  afterAll(async () => {
    await removeInstallation(engine, name)
    await engine.close()
  })

  const start = (options: ServerOptions = {}) => startServer({ ...options, installation: name })
  const newUser = () => `user-${randomBytes(4).toString('hex')}`
  return {
    name,
    engine,
    address,
    start,
    useServer(options) {
      let server: TestServer | undefined
      beforeAll(async () => {
        server = await start({ user: newUser(), ...options })
      })
      afterAll(() => server?.[Symbol.asyncDispose]())
      return () => {
        if (!server) throw new Error('the server runs in tests only')
        return server
      }
    },
    newUser,
    identityOf: (user) => identityOf(name, user),
    containers: async (user) => (await owned(user)).flatMap(({ container }) => container ?? []),
    volumes: async (user) => (await owned(user)).flatMap(({ workspace }) => workspace ?? []),
  }
}

/** Removes all containers and volumes of an installation. */
export async function removeInstallation(engine: Engine, name: string): Promise<void> {
  const labels = { [LABEL.installation]: name }
  const containers = await engine.containers.list(labels)
  await Promise.all(containers.map(({ id }) => engine.containers.remove(id)))
  const volumes = await engine.volumes.list(labels)
  await Promise.all(volumes.map((volume) => engine.volumes.remove(volume.name)))
}
