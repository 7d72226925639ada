import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SandboxError } from '../errors/sandbox-error.ts'

/** Where the Makefile leaves the binaries, one folder for each architecture. */
export const SUPERVISOR_BUILD_DIR = fileURLToPath(new URL('../../supervisor/build/', import.meta.url))

const ARCHITECTURES = ['amd64', 'arm64']

export interface SupervisorBinary {
  readonly content: Buffer
  /** SHA-256 in hex. */
  readonly sha256: string
}

/**
 * The supervisor for containers of `platform` ("linux/amd64", "linux/arm64/v8"). `image_unavailable`, naming the command that builds it, when
 * there is none.
 */
export async function readSupervisor(platform: string, dir: string = SUPERVISOR_BUILD_DIR): Promise<SupervisorBinary> {
  const [os, arch = ''] = platform.split('/')
  if (os !== 'linux' || !ARCHITECTURES.includes(arch)) {
    throw new SandboxError(
      'image_unavailable',
      `The supervisor is not made for the engine's platform ${JSON.stringify(platform)}.`,
      {
        hint: 'Use an engine that runs linux/amd64 or linux/arm64 containers.',
      },
    )
  }
  try {
    const content = await readFile(join(dir, arch, 'sandbox-supervisor'))
    return { content, sha256: createHash('sha256').update(content).digest('hex') }
  } catch (cause) {
    throw new SandboxError('image_unavailable', `The supervisor for ${arch} is not built.`, {
      hint: 'The published package holds it: install that anew. In a clone of the repository, run `npm run setup`.',
      cause,
    })
  }
}
