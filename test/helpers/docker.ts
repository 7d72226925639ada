import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, inject } from 'vitest'
import { findEngine, systemSources } from '../../src/engine/docker/connect.ts'
import { createDockerEngine, type DockerEngine } from '../../src/engine/docker/docker-engine.ts'
import type { EngineAddress } from '../../src/engine/docker/engine-address.ts'
import type { Engine, Labels } from '../../src/engine/engine.ts'
import { requireBaseImage } from './images.ts'
import { containerSpec, type VolumeSpec } from './specs.ts'
import { TEST_LABEL } from './test-label.ts'

/** A real engine for one test file. What it makes carries labels of the run and of the file. */
export interface TestDocker {
  readonly engine: DockerEngine
  readonly address: EngineAddress
  /** The run's label, and one of the file alone. */
  readonly labels: Labels
  /** A name that nothing on the engine has: "<prefix>-<random>". */
  name(prefix: string): string
  /** A spec with the file's labels, a name and a volume of its own; the volume is made. */
  spec(overrides?: Partial<VolumeSpec>): Promise<VolumeSpec>
  /** A started container of such a spec. */
  container(overrides?: Partial<VolumeSpec>): Promise<{ readonly id: string; readonly spec: VolumeSpec }>
}

/** The address of the engine that tests use: the one that the server itself would find. */
export function testAddress(): EngineAddress {
  return findEngine(systemSources(undefined, process.env))
}

/** Call once at the top of a file. Removes all that the file made, when it ends. */
export function useDocker(): TestDocker {
  const address = testAddress()
  const engine = createDockerEngine({ address })
  const installation = randomBytes(6).toString('hex')
  const labels: Labels = { [TEST_LABEL]: inject('runId'), [`${TEST_LABEL}.file`]: installation }
  const name = (prefix: string): string => `${prefix}-${installation}-${randomBytes(4).toString('hex')}`

  beforeAll(() => requireBaseImage(engine))
  afterAll(async () => {
    await removeByLabel(engine, labels)
    await engine.close()
  })

  const spec = async (overrides: Partial<VolumeSpec> = {}): Promise<VolumeSpec> => {
    const made = containerSpec({ name: name('c'), labels, ...overrides })
    await engine.volumes.ensure(made.volume.name, labels)
    return made
  }
  return {
    engine,
    address,
    labels,
    name,
    spec,
    async container(overrides) {
      const made = await spec(overrides)
      const { id } = await engine.containers.create(made)
      await engine.containers.start(id)
      return { id, spec: made }
    },
  }
}

/** Removes all containers, volumes and images with these labels. */
export async function removeByLabel(engine: Engine, labels: Labels): Promise<void> {
  const containers = await engine.containers.list(labels)
  await Promise.all(containers.map(({ id }) => engine.containers.remove(id)))
  const volumes = await engine.volumes.list(labels)
  await Promise.all(volumes.map(({ name }) => engine.volumes.remove(name)))
  for (const { id, tags } of await engine.images.list(labels)) {
    for (const name of tags.length > 0 ? tags : [id]) await engine.images.remove(name)
  }
}
