import type { CallOptions, Labels } from './call.ts'

/** A volume as it is. */
export interface VolumeDetails {
  readonly name: string
  readonly labels: Labels
}

/** The volumes of an engine. */
export interface Volumes {
  /**
   * Creates it, or gives the one of that name as it is: with its own labels and driver options, not the ones asked for. `engine_failed` for
   * options that the driver does not know.
   */
  ensure(
    name: string,
    labels: Labels,
    options?: CallOptions & {
      /** For the volume driver: its type, device and size, in the driver's own words. */
      readonly driverOptions?: Labels
    },
  ): Promise<VolumeDetails>
  inspect(name: string, options?: CallOptions): Promise<VolumeDetails | undefined>
  list(labels: Labels, options?: CallOptions): Promise<readonly VolumeDetails[]>
  /** Deletes the files for good. A missing volume is not an error; one in use is `engine_failed`. */
  remove(name: string, options?: CallOptions): Promise<void>
}
