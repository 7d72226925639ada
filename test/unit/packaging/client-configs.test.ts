import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { CLIENT_CONFIGS, configuredServers } from '../../helpers/client-configs.ts'
import { ROOT } from '../../helpers/start-server.ts'

const values = { SANDBOX_TOKEN: 'the-token', 'sandbox-token': 'the-token' }
const withUrl = CLIENT_CONFIGS.filter((config) => 'sandbox-team' in configuredServers(config, values))

test('every client but Claude Desktop, which starts its servers itself, has one by URL', () => {
  expect(withUrl.map(({ client }) => client)).toEqual(['Claude Code', 'Cursor', 'VS Code'])
})

test.each(withUrl)('$client sends its token to the address that the server has by default', (config) => {
  const { host, port } = loadConfig({ flags: {}, env: {} }).config
  expect(configuredServers(config, values)['sandbox-team']).toMatchObject({
    url: `http://${host}:${port}/mcp`,
    headers: { Authorization: 'Bearer the-token' },
  })
})

test('the configurations in the README are those of the examples', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const section = readme.slice(readme.indexOf('## Connect a client'), readme.indexOf('## Tools'))
  const shown = [...section.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = '']): unknown => JSON.parse(text))
  const files = ['claude-desktop/claude_desktop_config.json', 'vscode/.vscode/mcp.json']
  const examples = files.map((file): unknown => JSON.parse(readFileSync(join(ROOT, 'examples/clients', file), 'utf8')))
  expect(shown).toEqual(examples)
})
