import { desktopSettings } from './desktop-settings.mjs'

const schema = 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json'

/**
 * The entry for the MCP registry, which takes it only when `mcpName` in the published package.json is its name.
 * https://github.com/modelcontextprotocol/registry/blob/main/docs/reference/server-json/generic-server-json.md
 */
export function serverJson({ name, mcpName, description, version }) {
  return {
    $schema: schema,
    name: mcpName,
    title: 'Sandbox',
    description,
    version,
    packages: [
      {
        registryType: 'npm',
        identifier: name,
        version,
        runtimeHint: 'npx',
        transport: { type: 'stdio' },
        environmentVariables: desktopSettings.map(environmentVariable),
      },
    ],
  }
}

function environmentVariable({ variable, about, fallback, isNumber, choices, isSecret }) {
  return {
    name: variable,
    description: about,
    format: isNumber ? 'number' : 'string',
    isRequired: false,
    isSecret,
    ...(fallback !== '' && { default: fallback }),
    ...(choices && { choices: [...choices] }),
  }
}
