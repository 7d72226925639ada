import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Engine, ImageDetails } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { parseMeasurement, type RuntimeContents } from './contents.ts'
import { HelperContainer, INPUT_DIR } from './helper-container.ts'
import { RUNTIME_LABELS } from './ready-runtime.ts'
import { smallArchive } from './small-archive.ts'

const SCRIPT = fileURLToPath(new URL('../../runtimes/packages/measure.sh', import.meta.url))
const DEADLINE_MS = 120_000
const SCRATCH_BYTES = 16 * 1024 ** 2
/** More than any sensible image prints, and less than an engine takes for a label. */
const MAX_OUTPUT_BYTES = 64 * 1024

/** Role of the containers that measure images; they belong to no installation. */
export const MEASURE_LABELS = { [RUNTIME_LABELS.role]: 'measure' } as const

/** SHA-256 in hex of the script: another one tells other things, so images are measured again. */
export function measureSha256(): string {
  return createHash('sha256').update(readFileSync(SCRIPT)).digest('hex')
}

/** Runs the image's own programs in a hardened container without a network, and reads what they say. */
export async function measureImage(
  engine: Engine,
  image: ImageDetails,
  aptPackages: readonly string[],
): Promise<RuntimeContents> {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const input = await smallArchive(new Map([['measure.sh', await readFile(SCRIPT)]]))
  const env = Object.fromEntries(
    image.env.map((line) => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]),
  )
  const spec = { imageId: image.id, env, labels: MEASURE_LABELS, network: 'none' as const, ociRuntime: undefined }
  const container = await HelperContainer.start(engine, { ...spec, maxBytes: SCRATCH_BYTES, input }, signal)
  try {
    const pieces: Buffer[] = []
    let bytes = 0
    const command = ['/bin/sh', `${INPUT_DIR}/measure.sh`, ...aptPackages]
    const exitCode = await container.run(command, signal, (data) => {
      bytes += data.length
      if (bytes <= MAX_OUTPUT_BYTES) pieces.push(Buffer.from(data))
    })
    if (exitCode !== 0)
      throw new SandboxError('image_unavailable', 'The new image could not be measured.', { details: { exitCode } })
    return parseMeasurement(Buffer.concat(pieces).toString('utf8'))
  } finally {
    await container.remove()
  }
}
