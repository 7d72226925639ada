import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** The scripts that a build runs; they lie beside the built-in definitions. */
const STEPS_DIR = new URL('../../runtimes/steps/', import.meta.url)
const STEP_FILES = ['step.sh', 'seal.sh', 'install-node.py']

export interface BuildSteps {
  readonly files: ReadonlyMap<string, Buffer>
  /** SHA-256 in hex over all of them: other steps make another image. */
  readonly sha256: string
}

/** Reads the scripts of the build. */
export async function readBuildSteps(): Promise<BuildSteps> {
  const files = new Map<string, Buffer>()
  const hash = createHash('sha256')
  for (const name of STEP_FILES) {
    const content = await readFile(fileURLToPath(new URL(name, STEPS_DIR)))
    files.set(name, content)
    hash.update(`${name}\0${content.length}\0`).update(content)
  }
  return { files, sha256: hash.digest('hex') }
}
