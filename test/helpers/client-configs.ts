import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './start-server.ts'

/** A server in a client's configuration: one that the client starts, or one that it reaches by URL. */
export interface ConfiguredServer {
  readonly type?: string
  readonly command?: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly url?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** One client's configuration in examples/clients. */
export interface ClientConfig {
  readonly client: string
  /** Below examples/clients. */
  readonly file: string
  /** The key under which the client looks for servers. */
  readonly key: 'mcpServers' | 'servers'
  /** How the client writes the value of a variable, or of a secret that it asks for; with its default, where it has one. */
  readonly placeholder?: RegExp
}

export const CLIENT_CONFIGS: readonly ClientConfig[] = [
  { client: 'Claude Desktop', file: 'claude-desktop/claude_desktop_config.json', key: 'mcpServers' },
  // code.claude.com/docs/en/mcp, "Environment variable expansion"
  {
    client: 'Claude Code',
    file: 'claude-code/.mcp.json',
    key: 'mcpServers',
    placeholder: /\$\{(?<name>\w+)(?::-(?<fallback>[^}]*))?\}/g,
  },
  // cursor.com/docs/mcp, "Config interpolation"
  { client: 'Cursor', file: 'cursor/.cursor/mcp.json', key: 'mcpServers', placeholder: /\$\{env:(?<name>\w+)\}/g },
  // code.visualstudio.com/docs/agents/reference/mcp-configuration, "Input variables"
  { client: 'VS Code', file: 'vscode/.vscode/mcp.json', key: 'servers', placeholder: /\$\{input:(?<name>[\w-]+)\}/g },
]

/** The servers of a configuration as the client sees them, by name. */
export function configuredServers(
  { file, key, placeholder }: ClientConfig,
  values: Readonly<Record<string, string>>,
): Readonly<Record<string, ConfiguredServer>> {
  const text = readFileSync(join(ROOT, 'examples/clients', file), 'utf8')
  const expanded = placeholder ? text.replaceAll(placeholder, (...match) => valueOf(match.at(-1), values)) : text
  const unknown = /\$\{[^}]*\}/.exec(expanded)
  if (unknown) throw new Error(`${file}: the client does not know ${unknown[0]}`)
  const config = JSON.parse(expanded) as Readonly<Record<string, Readonly<Record<string, ConfiguredServer>>>>
  const servers = config[key]
  if (!servers) throw new Error(`${file} has no ${key}`)
  return servers
}

function valueOf(groups: unknown, values: Readonly<Record<string, string>>): string {
  const { name = '', fallback } = groups as { readonly name?: string; readonly fallback?: string }
  const value = values[name] ?? fallback
  if (value === undefined) throw new Error(`nothing is known for ${name}`)
  return value
}
