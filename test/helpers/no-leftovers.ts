import { randomBytes } from 'node:crypto'
import type { TestProject } from 'vitest/node'
import { createDockerEngine } from '../../src/engine/docker/docker-engine.ts'
import { findEngine, systemSources } from '../../src/engine/docker/connect.ts'
import type { Engine, Labels } from '../../src/engine/engine.ts'
import { LABEL } from '../../src/registry/identity.ts'
import { installationPrefix, TEST_LABEL } from './test-label.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Value of the label {@link TEST_LABEL} on everything that this run of this project makes on an engine. */
    readonly runId: string
  }
}

/** Global set-up of the projects that use a real engine. */
export default function setup(project: TestProject): () => Promise<void> {
  const runId = randomBytes(6).toString('hex')
  project.provide('runId', runId)
  return async () => {
    const engine = createDockerEngine({ address: findEngine(systemSources(undefined, process.env)) })
    try {
      const leftovers = await removeLeftovers(engine, runId)
      if (leftovers.length === 0) return
      // Vitest prints an error of a teardown, and exits with 0.
      process.exitCode = 1
      throw new Error(`tests left behind: ${leftovers.join(', ')}`)
    } finally {
      await engine.close()
    }
  }
}

/**
 * Removes what carries the run's label, and the sandboxes of the run's installations. Resolves to what there was: nothing, since each
 * file has to clean up after itself.
 */
export async function removeLeftovers(engine: Engine, runId: string): Promise<readonly string[]> {
  const labels = { [TEST_LABEL]: runId }
  const ofRun = (each: { readonly labels: Labels }): boolean =>
    each.labels[LABEL.installation]?.startsWith(installationPrefix(runId)) === true
  const sandboxes = [
    ...(await engine.containers.list({ [LABEL.role]: 'sandbox' })),
    ...(await engine.containers.list({ [LABEL.role]: 'slot' })),
    ...(await engine.containers.list({ [LABEL.role]: 'fetch' })),
  ]
  const containers = [...(await engine.containers.list(labels)), ...sandboxes.filter(ofRun)]
  for (const { id } of containers) await engine.containers.remove(id)
  const workspaces = [
    ...(await engine.volumes.list({ [LABEL.role]: 'workspace' })),
    ...(await engine.volumes.list({ [LABEL.role]: 'choice' })),
    ...(await engine.volumes.list({ [LABEL.role]: 'owner' })),
    ...(await engine.volumes.list({ [LABEL.role]: 'slot' })),
  ]
  const volumes = [...(await engine.volumes.list(labels)), ...workspaces.filter(ofRun)]
  for (const { name } of volumes) await engine.volumes.remove(name)
  const images = await engine.images.list(labels)
  for (const { id, tags } of images) for (const name of tags.length > 0 ? tags : [id]) await engine.images.remove(name)
  return [
    ...containers.map(({ name }) => `container ${name}`),
    ...volumes.map(({ name }) => `volume ${name}`),
    ...images.map(({ id, tags }) => `image ${tags[0] ?? id}`),
  ]
}
