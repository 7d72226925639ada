import type { Readable } from 'node:stream'
import type { CallOptions, Labels } from './call.ts'

/** An image as it is. */
export interface ImageDetails {
  /** "sha256:…" */
  readonly id: string
  readonly tags: readonly string[]
  readonly labels: Labels
  readonly sizeBytes: number
  /** "linux/amd64" */
  readonly platform: string
  readonly env: readonly string[]
  /** When it last got a tag, or, where the engine does not note that, was made, in Unix milliseconds; undefined when neither is known. */
  readonly taggedAtMs: number | undefined
}

/** The images of an engine. */
export interface Images {
  inspect(reference: string, options?: CallOptions): Promise<ImageDetails | undefined>
  list(labels: Labels, options?: CallOptions): Promise<readonly ImageDetails[]>
  /** `image_unavailable` when no registry has it or none answers. */
  pull(reference: string, options?: CallOptions & { readonly onProgress?: ProgressListener }): Promise<ImageDetails>
  /** Builds from a tar stream that holds a Dockerfile. `image_unavailable` with the failing step in the message and in `details.step`, and its last lines in `details.log`. */
  build(
    context: Readable,
    spec: BuildSpec,
    options?: CallOptions & { readonly onProgress?: ProgressListener },
  ): Promise<ImageDetails>
  tag(reference: string, newReference: string, options?: CallOptions): Promise<void>
  /** A missing image is not an error; one in use is `engine_failed`. */
  remove(reference: string, options?: CallOptions): Promise<void>
}

/** What a build makes, beside its context. */
export interface BuildSpec {
  readonly tag: string
  readonly labels: Labels
  readonly buildArgs?: Readonly<Record<string, string>>
  /** Network of the RUN steps. */
  readonly network?: 'default' | 'none' | 'host'
}

/** How far a build or a pull has come. */
export interface Progress {
  readonly step: number
  readonly steps: number
  readonly text: string
}
export type ProgressListener = (progress: Progress) => void
