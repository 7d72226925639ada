import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { getMcpConfigForManifest, v0_3 } from '@anthropic-ai/mcpb'
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { TOOLS } from '../../../src/tools/index.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const manifest = v0_3.McpbManifestSchema.parse(JSON.parse(readFileSync(join(ROOT, 'bundle/manifest.json'), 'utf8')))

/** The start of the server with what somebody has set in the installer's form. */
async function environment(userConfig: Record<string, string | number>): Promise<Record<string, string>> {
  const options = { manifest, extensionPath: '/bundle', systemDirs: {}, userConfig, pathSeparator: '/' }
  const entry = await getMcpConfigForManifest(options)
  if (!entry?.env) throw new Error('a setting is missing')
  return entry.env
}

test('the bundle’s form, left as it is, changes no setting', async () => {
  const { config } = loadConfig({ flags: {}, env: await environment({}) })
  expect(config).toEqual(loadConfig({ flags: {}, env: {} }).config)
})

test('what is set in the bundle’s form reaches the server', async () => {
  const { config } = loadConfig({ flags: {}, env: await environment({ user: 'alice', memory: '1GiB', cpus: 2 }) })
  expect(config).toMatchObject({ user: 'alice', memory: 1024 ** 3, cpus: 2 })
})

test('the bundle tells of the tools that the server has, in their order', () => {
  expect(manifest.tools).toEqual(TOOLS.map(({ name, title }) => ({ name, description: title })))
})
