import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const SRC = resolve(import.meta.dirname, '../../src')

/** All that a whole program is connected of, on whatever way clients come. */
const PARTS = [
  'lib',
  'errors',
  'config',
  'engine',
  'engine/docker',
  'supervisor',
  'runtimes',
  'sandbox',
  'registry',
  'backup',
]

/** Which folder may import which. A folder may always import itself. Files at the root of src are the wiring. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  lib: [],
  errors: ['lib'],
  config: ['lib', 'errors'],
  engine: ['lib', 'errors'],
  'engine/docker': ['lib', 'errors', 'engine'],
  supervisor: ['lib', 'errors', 'engine'],
  // Of the supervisor only where an image has to hold it.
  runtimes: ['lib', 'errors', 'engine', 'supervisor'],
  sandbox: ['lib', 'errors', 'engine', 'supervisor'],
  registry: ['lib', 'errors', 'engine', 'supervisor', 'runtimes', 'sandbox'],
  backup: ['lib', 'errors', 'engine', 'supervisor', 'runtimes', 'sandbox', 'registry'],
  tools: ['lib', 'errors', 'sandbox'],
  mcp: ['lib', 'errors', 'registry', 'tools'],
  http: ['lib', 'errors', 'config', 'registry', 'sandbox'],
  transports: ['lib', 'errors', 'config', 'registry', 'mcp', 'http'],
  app: PARTS,
  operator: [...PARTS, 'http'],
}

/** Packages with one home; a file at the root of src is named by itself. An empty list: nowhere. */
const HOMES: Record<string, readonly string[]> = {
  dockerode: ['engine/docker'],
  '@modelcontextprotocol': ['mcp', 'transports'],
  pino: ['log.ts'],
  'prom-client': ['metrics.ts'],
  'cli-table3': ['operator'],
  // Archives of users are parsed and written in one place.
  yauzl: ['sandbox'],
  yazl: ['sandbox'],
  s3mini: ['backup'],
  '@bokuweb': ['backup'],
  express: ['http', 'transports'],
  'raw-body': ['http'],
  jose: ['http'],
  'express-rate-limit': ['http'],
  '@fastify': ['http'],
  // The server starts no program of the host: all that runs, runs in a sandbox.
  'node:child_process': [],
  child_process: [],
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))

/** The folder of the table that a file lies in; its own name at the root of src. */
function homeOf(file: string): string {
  const directory = dirname(file)
  if (directory === '.') return file
  const folders = Object.keys(MAY_IMPORT).filter((each) => directory === each || directory.startsWith(`${each}/`))
  return folders.sort((a, b) => b.length - a.length)[0] ?? directory
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((match) => match[1] ?? '')
}

/** Those that are loaded with the file: neither types nor what is imported when needed. */
function staticImportsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  const statements = text.matchAll(
    /^(?:import|export)\b(?! type\b)[^'"]*?from\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]/gm,
  )
  return [...statements].map((match) => match[1] ?? match[2] ?? '')
}

/** "a/b" of "a/b/c", "@scope" of "@scope/name/c": the first part decides whose home it is. */
function packageOf(specifier: string): string {
  return specifier.split('/')[0] ?? specifier
}

test('there are source files to look at', () => {
  expect(files.length).toBeGreaterThan(30)
})

test.each(files)('%s lies at the root of src or in a folder of the table', (file) => {
  const home = homeOf(file)
  expect(home === file || home in MAY_IMPORT, `folder of ${file}`).toBe(true)
})

test.each(files)('%s imports only what its folder may', (file) => {
  const home = homeOf(file)
  const allowed = MAY_IMPORT[home]
  const foreign = importsOf(file)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => homeOf(relative(SRC, resolve(SRC, dirname(file), specifier))))
    .filter((target) => allowed !== undefined && target !== home && !allowed.includes(target))
  expect(foreign).toEqual([])
})

test.each(files)('%s imports a package with one home only there', (file) => {
  const strayed = importsOf(file).filter((specifier) => HOMES[packageOf(specifier)]?.includes(homeOf(file)) === false)
  expect(strayed).toEqual([])
})

test('what only HTTP needs is not loaded over stdio', () => {
  // Everything that cli.ts imports before it is asked to: `await import()` is left out.
  const loaded = new Set<string>()
  const visit = (file: string): void => {
    if (loaded.has(file)) return
    loaded.add(file)
    const text = readFileSync(join(SRC, file), 'utf8')
    for (const [, specifier = ''] of text.matchAll(/^(?:import|export)\s(?!type\s)[\w\s{},*]*?\sfrom\s'([^']+)'/gm)) {
      if (specifier.startsWith('.')) visit(relative(SRC, resolve(SRC, dirname(file), specifier)))
      else loaded.add(specifier)
    }
  }
  visit('cli.ts')
  visit('serve.ts')
  visit('transports/stdio.ts')
  expect(loaded).toContain('registry/registry.ts')
  expect(['metrics.ts', 'prom-client', 'serve-http.ts', 'express'].filter((each) => loaded.has(each))).toEqual([])
})

test('what a server over stdio loads at its start holds nothing of HTTP', () => {
  const loaded = new Set<string>()
  const packages = new Set<string>()
  const load = (file: string): void => {
    if (loaded.has(file)) return
    loaded.add(file)
    for (const specifier of staticImportsOf(file)) {
      if (specifier.startsWith('.')) load(relative(SRC, resolve(SRC, dirname(file), specifier)))
      else packages.add(packageOf(specifier))
    }
  }
  for (const file of ['cli.ts', 'serve.ts']) load(file)
  expect(loaded).toContain('transports/stdio.ts')
  expect([...loaded].filter((file) => file.startsWith('http/'))).toEqual([])
  for (const each of ['express', 'jose', 'raw-body', 'express-rate-limit']) expect(packages).not.toContain(each)
})

test('the table has no cycle', () => {
  const done = new Set<string>()
  const visit = (folder: string, path: readonly string[]): void => {
    if (path.includes(folder)) throw new Error(`cycle: ${[...path, folder].join(' -> ')}`)
    if (done.has(folder)) return
    for (const next of MAY_IMPORT[folder] ?? []) visit(next, [...path, folder])
    done.add(folder)
  }
  for (const folder of Object.keys(MAY_IMPORT)) visit(folder, [])
  expect([...done].sort()).toEqual(Object.keys(MAY_IMPORT).sort())
})
