import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import { BASE_IMAGE } from './images.ts'
import { type Installation, removeInstallation } from './installation.ts'

/** Runtimes that one test file defines, on the disk of this machine. */
export interface OwnRuntimes {
  /** What `--runtimes-dir` is to name. */
  readonly directory: string
  /** Adds one; what does not matter is filled in. Gives its name, by which no earlier run has built it. */
  define(definition: Readonly<Record<string, unknown>>): string
}

/** Call once at the top of a file. When it ends, the definitions go, and the images that were built of them, after the containers that use them. */
export function useOwnRuntimes(installation: Installation): OwnRuntimes {
  const directory = mkdtempSync(join(tmpdir(), 'sandbox-mcp-runtimes-'))
  const names: string[] = []
  afterAll(async () => {
    rmSync(directory, { recursive: true })
    await removeInstallation(installation.engine, installation.name)
    for (const name of names) await removeImagesOf(installation.engine, name)
  })
  return {
    directory,
    define(definition) {
      const name = `test-${randomBytes(6).toString('hex')}`
      names.push(name)
      const content = { name, description: 'For a test.', base_image: BASE_IMAGE, ...definition }
      mkdirSync(join(directory, name))
      writeFileSync(join(directory, name, 'runtime.json'), JSON.stringify(content))
      return name
    },
  }
}

/** Removes all images that were built of a runtime. */
export async function removeImagesOf({ images }: Engine, runtime: string): Promise<void> {
  for (const { id, tags } of await images.list({ 'sandbox-mcp.runtime': runtime })) {
    for (const reference of tags.length > 0 ? tags : [id]) await images.remove(reference)
  }
}
