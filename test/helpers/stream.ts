import type { ContainerStream, Containers, StreamSpec } from '../../src/engine/engine.ts'

/** How a stream ended. */
export interface StreamEnd {
  readonly error?: Error
  readonly stderr: string
}

/** Everything that a stream gave until it closed. */
export interface StreamOutput extends StreamEnd {
  readonly stdout: Buffer
}

/** Reads a stream to its end. */
export function readStream(stream: ContainerStream): Promise<StreamOutput> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    // The piece may be a view on a buffer that is used again.
    stream.onData((piece) => pieces.push(Buffer.from(piece)))
    stream.onClose((end) => resolve({ ...end, stdout: Buffer.concat(pieces) }))
  })
}

/** Resolves with the reason when a stream closes. */
export function whenClosed(stream: ContainerStream): Promise<StreamEnd> {
  return new Promise((resolve) => stream.onClose(resolve))
}

/** Runs a program in a container to its end, with no input. */
export async function run(containers: Containers, id: string, spec: StreamSpec): Promise<StreamOutput> {
  return await readStream(await containers.openStream(id, spec))
}
