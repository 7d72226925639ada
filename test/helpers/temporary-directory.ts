import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** An empty directory of this machine, without links in its path, that goes when the test ends. */
export function temporaryDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'sandbox-mcp-test-')))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
