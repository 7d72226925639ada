import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { Catalogue } from '../../src/runtimes/catalogue.ts'

/** Folders of definitions and of supervisor binaries for one test file. */
export interface RuntimeFixtures {
  /** A catalogue of these definitions alone; a description is added where it does not matter. */
  catalogue(...definitions: readonly ({ readonly name: string } & Record<string, unknown>)[]): Catalogue
  /** A folder with a stand-in for the supervisor of each architecture, for images that are never run. */
  readonly supervisorDir: string
  /** Writes another stand-in. */
  replaceSupervisor(content: string): void
}

/** Call once at the top of a file. Removes what it made, when the file ends. */
export function useRuntimeFixtures(): RuntimeFixtures {
  const root = mkdtempSync(join(tmpdir(), 'sandbox-mcp-runtimes-'))
  afterAll(() => rmSync(root, { recursive: true }))
  const supervisorDir = join(root, 'supervisor')
  const replaceSupervisor = (content: string): void => {
    for (const arch of ['amd64', 'arm64']) {
      mkdirSync(join(supervisorDir, arch), { recursive: true })
      writeFileSync(join(supervisorDir, arch, 'sandbox-supervisor'), content)
    }
  }
  replaceSupervisor('supervisor')
  return {
    supervisorDir,
    replaceSupervisor,
    catalogue(...definitions) {
      const dir = mkdtempSync(join(root, 'runtimes-'))
      for (const definition of definitions) {
        mkdirSync(join(dir, definition.name))
        const content = { description: 'For a test.', ...definition }
        writeFileSync(join(dir, definition.name, 'runtime.json'), JSON.stringify(content))
      }
      return Catalogue.load([dir])
    },
  }
}
