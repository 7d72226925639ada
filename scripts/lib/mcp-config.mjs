import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { cliPath, root } from './paths.mjs'

/** How a client starts the server, from mcp.json: {command, args, env}, to be started in the top of the repository. */
export function readServerConfig() {
  return JSON.parse(readFileSync(join(root, 'mcp.json'), 'utf8')).mcpServers.sandbox
}

/** The same for a client that starts it from anywhere, as the JSON text that it wants to be given. */
export function portableConfig() {
  const { args, env } = readServerConfig()
  const [, ...rest] = args
  const sandbox = { command: process.execPath, args: [cliPath, ...rest], env }
  return JSON.stringify({ mcpServers: { sandbox } }, undefined, 2)
}
