import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import { LABEL } from '../../src/registry/identity.ts'
import { BASE_IMAGE } from './images.ts'
import type { Installation } from './installation.ts'
import { runningCommands, startInBackground } from './processes.ts'
import { rawDocker } from './raw-docker.ts'
import { TEST_LABEL } from './test-label.ts'

/** Things beside a fault that it must not reach: another user's sandbox at work, and a container and a volume of another installation. */
export interface Canary extends AsyncDisposable {
  /** What became of the other user's sandbox; nothing when it is as it was. */
  changes(): Promise<readonly string[]>
  /** What became of the other installation's things. */
  foreignChanges(): Promise<readonly string[]>
}

const PROCESS = 'sleep 9009'
/** Longer than any sweep; a command has a timeout of minutes unless it asks for more. */
const LIFETIME_S = 3600
const TREE = 'find . -type f -exec sha256sum {} +'

/** Sets them up. `await using` removes what no installation does. */
export async function startCanary(installation: Installation): Promise<Canary> {
  const user = installation.newUser()
  const server = await installation.start({ user, env: { SANDBOX_IDLE_TIMEOUT: '0' } })
  await server.output(`mkdir nest; head -c 100000 /dev/urandom > nest/egg; echo song > voice`)
  await startInBackground(server, PROCESS, { timeout_s: LIFETIME_S })
  const tree = await server.output(TREE)
  const idOf = async () => (await installation.containers(user)).map(({ id }) => id).join()
  const id = await idOf()

  const docker = rawDocker(installation.address)
  const name = `sandbox-mcp-${randomBytes(16).toString('hex')}`
  const labels = (role: string) => ({
    [LABEL.role]: role,
    [LABEL.installation]: `${installation.name}-other`,
    [TEST_LABEL]: inject('runId'),
  })
  const container = await docker.createContainer({ name, Image: BASE_IMAGE, Cmd: ['true'], Labels: labels('sandbox') })
  await docker.createVolume({ Name: name, Labels: labels('workspace') })

  return {
    async changes() {
      // Others look at the same time.
      const running = (await runningCommands(server)).filter((command) => command !== TREE)
      const facts = [await idOf(), await server.output(TREE), running.join()]
      return [id, tree, PROCESS].flatMap((was, at) => (facts[at] === was ? [] : [`${was} became ${facts[at]}`]))
    },
    async foreignChanges() {
      const found = await docker.listContainers({ all: true, filters: { name: [name] } })
      const { Volumes: volumes } = await docker.listVolumes({ filters: JSON.stringify({ name: [name] }) })
      return [
        ...(found.some(({ Id, State }) => Id === container.id && State === 'created')
          ? []
          : [`container ${name} changed`]),
        ...(volumes.length === 1 ? [] : [`volume ${name} is gone`]),
      ]
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await container.remove({ force: true })
      await docker.getVolume(name).remove()
    },
  }
}
