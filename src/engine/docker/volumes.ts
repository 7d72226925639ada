import * as z from 'zod'
import type { VolumeDetails, Volumes } from '../engine.ts'
import { labelFilter, volumePath } from './api-path.ts'
import { limitsOf, type EngineApi } from './call.ts'

const DEADLINE_MS = 15_000
/** Deleting a large tree takes the host a while. */
const REMOVE_DEADLINE_MS = 120_000

const Volume = z
  .object({ Name: z.string(), Labels: z.record(z.string(), z.string()).nullish() })
  .transform(({ Name, Labels }): VolumeDetails => ({ name: Name, labels: Labels ?? {} }))
const VolumeList = z
  .object({ Volumes: z.array(Volume).nullable() })
  .transform(({ Volumes }): VolumeDetails[] => Volumes ?? [])

/** Named volumes of the engine's "local" driver. */
export function dockerVolumes(api: EngineApi): Volumes {
  return {
    ensure(name, labels, options) {
      return api.json(
        {
          action: 'create the volume',
          method: 'POST',
          path: '/volumes/create',
          body: { Name: name, Labels: labels, Driver: 'local', DriverOpts: options?.driverOptions ?? {} },
          limits: limitsOf(options, DEADLINE_MS),
        },
        Volume,
      )
    },

    inspect(name, options) {
      return api.find(
        {
          action: 'inspect the volume',
          method: 'GET',
          path: volumePath(name),
          absent: [404],
          limits: limitsOf(options, DEADLINE_MS),
        },
        Volume,
      )
    },

    list(labels, options) {
      return api.json(
        {
          action: 'list the volumes',
          method: 'GET',
          path: '/volumes',
          query: { filters: labelFilter(labels) },
          limits: limitsOf(options, DEADLINE_MS),
        },
        VolumeList,
      )
    },

    async remove(name, options) {
      await api.send({
        action: 'remove the volume',
        method: 'DELETE',
        path: volumePath(name),
        absent: [404],
        limits: limitsOf(options, REMOVE_DEADLINE_MS),
      })
    },
  }
}
