import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The scripts that a build runs; their folders lie beside the built-in definitions. */
const RUNTIMES_DIR = new URL('../../runtimes/', import.meta.url)
const STEP_FILES = ['steps/step.sh', 'steps/seal.sh', 'steps/install-node.py', 'packages/sources.sh']

/** What a build runs, as it goes into the build context. */
export interface BuildSteps {
  /** By name: all lie in one folder of the build context. */
  readonly files: ReadonlyMap<string, Buffer>
  /** SHA-256 in hex over all of them: other steps make another image. */
  readonly sha256: string
}

/** Reads the scripts of the build. */
export async function readBuildSteps(): Promise<BuildSteps> {
  const files = new Map<string, Buffer>()
  const hash = createHash('sha256')
  for (const path of STEP_FILES) {
    const name = basename(path)
    const content = await readFile(fileURLToPath(new URL(path, RUNTIMES_DIR)))
    files.set(name, content)
    hash.update(`${name}\0${content.length}\0`).update(content)
  }
  return { files, sha256: hash.digest('hex') }
}
