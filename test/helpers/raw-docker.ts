import Docker from 'dockerode'
import type { EngineAddress } from '../../src/engine/docker/engine-address.ts'

/** The engine without our driver, for what the driver must never do: kill from outside, leave out a protection. */
export function rawDocker(address: EngineAddress): Docker {
  if (address.socketPath === undefined) throw new Error('these tests need an engine that is reached by a unix socket')
  return new Docker({ socketPath: address.socketPath })
}
