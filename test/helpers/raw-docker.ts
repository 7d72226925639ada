import Docker from 'dockerode'
import type { EngineAddress } from '../../src/engine/docker/engine-address.ts'
import type { Labels } from '../../src/engine/engine.ts'
import { BASE_IMAGE } from './images.ts'

/** The engine without our driver, for what the driver must never do: kill from outside, leave out a protection. */
export function rawDocker(address: EngineAddress): Docker {
  if (address.socketPath === undefined) throw new Error('these tests need an engine that is reached by a unix socket')
  return new Docker({ socketPath: address.socketPath })
}

/** A container as a person starts one, which does nothing: `docker run -d IMAGE sleep infinity`. Resolves to its id. */
export async function foreignContainer(
  address: EngineAddress,
  {
    labels,
    image = BASE_IMAGE,
    name,
    host = {},
  }: {
    readonly labels: Labels
    readonly image?: string
    readonly name?: string
    readonly host?: Docker.HostConfig
  },
): Promise<string> {
  const container = await rawDocker(address).createContainer({
    ...(name !== undefined && { name }),
    Image: image,
    Entrypoint: [],
    Cmd: ['sleep', 'infinity'],
    User: 'root',
    WorkingDir: '/srv',
    Labels: { ...labels },
    HostConfig: { Init: true, ...host },
  })
  await container.start()
  return container.id
}
