import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { settingsHelp } from '../../../src/config/describe.ts'
import { loadConfig } from '../../../src/config/load.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const read = (name: string): unknown => JSON.parse(readFileSync(join(ROOT, name), 'utf8'))

/** A version and no range: "^1.2", "1.x" and "latest" are refused by the registry. */
const exactVersion = z.string().regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/)

/** What the schema of 2025-12-11 asks of a server that is an npm package, with the registry's own limits; an unknown field is a slip of the pen. */
const ServerJson = z.strictObject({
  $schema: z.literal('https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json'),
  name: z
    .string()
    .min(3)
    .max(200)
    .regex(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/),
  title: z.string().min(1).max(100),
  description: z.string().min(1).max(100),
  version: exactVersion,
  packages: z.tuple([
    z.strictObject({
      registryType: z.literal('npm'),
      identifier: z.string(),
      version: exactVersion,
      runtimeHint: z.literal('npx'),
      transport: z.strictObject({ type: z.literal('stdio') }),
      environmentVariables: z.array(
        z.strictObject({
          name: z.string().regex(/^SANDBOX_[A-Z_]+$/),
          description: z.string().min(1),
          format: z.enum(['string', 'number', 'boolean', 'filepath']),
          isRequired: z.boolean(),
          isSecret: z.boolean(),
          default: z.string().min(1).optional(),
          choices: z.array(z.string()).min(1).optional(),
        }),
      ),
    }),
  ]),
})

const server = ServerJson.parse(read('server.json'))
const [npmPackage] = server.packages

test('server.json names the package as package.json does, which is how the registry knows whose it is', () => {
  const { name, mcpName, version, description } = read('package.json') as Record<string, string>
  expect(server).toMatchObject({ name: mcpName, version, description })
  expect(npmPackage).toMatchObject({ identifier: name, version })
})

test('server.json offers variables that the server reads, with its defaults, and choices that it takes', () => {
  for (const { name, default: fallback = '', choices = [] } of npmPackage.environmentVariables) {
    const setting = settingsHelp().find(({ variable }) => variable === name)
    expect(setting, name).toMatchObject({ fallback })
    for (const choice of choices) expect(() => loadConfig({ flags: {}, env: { [name]: choice } })).not.toThrow()
  }
})
