import { join, resolve } from 'node:path'
import type { TestProject } from 'vitest/node'
import { installNpm } from './interop-npm.ts'
import { installPython } from './interop-python.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Why the clients in JavaScript of others are not there; empty when they are. */
    readonly interopMissing: string
    /** Why the clients in Python are not there; empty when they are. */
    readonly pythonMissing: string
  }
}

/** Where the clients of others are, and what they need is listed, apart from the project's own packages. */
export const INTEROP = resolve(import.meta.dirname, '../interop')
const PACKAGES = join(INTEROP, 'packages')
/** Packages of others, by their names. */
export const NODE_MODULES = join(PACKAGES, 'node_modules')
/** A Node 22, which some of them need. */
export const NODE_22 = join(NODE_MODULES, 'node/bin/node')

/** Global set-up of the project `interop`: installs the clients of others, once for each list of them. */
export default async function setup(project: TestProject): Promise<void> {
  const [npm, python] = await Promise.all([installNpm(PACKAGES), installPython(INTEROP)])
  if (npm !== '') process.stdout.write(`interop: clients in JavaScript skipped, ${npm}\n`)
  if (python !== '') process.stdout.write(`interop: clients in Python skipped, ${python}\n`)
  project.provide('interopMissing', npm)
  project.provide('pythonMissing', python)
}
