import type { Volumes } from '../../src/engine/engine.ts'
import { SandboxError } from '../../src/errors/sandbox-error.ts'
import { hasLabels, type FakeWorld } from './fake-world.ts'

/** What the driver "local" takes. */
const LOCAL_OPTIONS: ReadonlySet<string> = new Set(['type', 'device', 'o', 'size'])

/** The volumes of the fake: names and labels. What is in them is up to the stream handler of the test. */
export function fakeVolumes({ volumes, containers, call }: FakeWorld): Volumes {
  const details = (name: string) => {
    const labels = volumes.get(name)
    return labels && { name, labels }
  }
  return {
    ensure: (name, labels, options) =>
      call('volumes.ensure', options, () => {
        const existing = volumes.get(name)
        const unknown = Object.keys(options?.driverOptions ?? {}).find((key) => !LOCAL_OPTIONS.has(key))
        if (!existing && unknown !== undefined) {
          throw new SandboxError('engine_failed', 'The volume could not be created.', { details: { status: 400 } })
        }
        if (!existing) volumes.set(name, labels)
        return { name, labels: existing ?? labels }
      }),
    inspect: (name, options) => call('volumes.inspect', options, () => details(name)),
    list: (labels, options) =>
      call('volumes.list', options, () =>
        [...volumes].filter(([, own]) => hasLabels(own, labels)).map(([name, own]) => ({ name, labels: own })),
      ),
    remove: (name, options) =>
      call('volumes.remove', options, () => {
        if ([...containers.values()].some(({ spec }) => spec.volume?.name === name)) {
          throw new SandboxError('engine_failed', 'The volume is in use.', { details: { status: 409 } })
        }
        volumes.delete(name)
      }),
  }
}
