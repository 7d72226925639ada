import { TOOLS } from '../../dist/tools/index.js'
import { desktopSettings } from './desktop-settings.mjs'

/** The folder of a bundle that holds the package with its dependencies. */
export const serverFolder = 'server'

/** Manifest of the MCP bundle, for one-click installation. https://github.com/modelcontextprotocol/mcpb/blob/main/MANIFEST.md */
export function bundleManifest({ name, version, description, author, license, keywords, engines }) {
  const entryPoint = `${serverFolder}/dist/cli.js`
  return {
    manifest_version: '0.3',
    name,
    display_name: 'Sandbox',
    version,
    description,
    long_description:
      'Runs commands, programs and file operations of the model in a hardened container of your own, on the container engine of this ' +
      'computer: Docker Desktop, or any engine with the Docker API, has to run. The first call builds the image of the sandbox, which takes ' +
      'a minute or two.',
    author: { name: author },
    license,
    keywords,
    server: {
      type: 'node',
      entry_point: entryPoint,
      mcp_config: {
        command: 'node',
        args: [`\${__dirname}/${entryPoint}`, 'serve'],
        env: Object.fromEntries(desktopSettings.map(({ key, variable }) => [variable, `\${user_config.${key}}`])),
      },
    },
    tools: TOOLS.map(({ name, title }) => ({ name, description: title })),
    user_config: Object.fromEntries(desktopSettings.map((setting) => [setting.key, userSetting(setting)])),
    compatibility: { platforms: ['darwin', 'linux', 'win32'], runtimes: { node: engines.node } },
  }
}

/** Each has a default, if only the empty one: a placeholder without a value would reach the server as it stands. */
function userSetting({ key, about, fallback, isNumber, isSecret }) {
  return {
    type: isNumber ? 'number' : 'string',
    title: key
      .replace(/^./, (letter) => letter.toUpperCase())
      .replaceAll(/[A-Z]/g, (letter, at) => (at ? ` ${letter.toLowerCase()}` : letter)),
    description: about,
    required: false,
    default: isNumber ? Number(fallback) : fallback,
    ...(isSecret && { sensitive: true }),
  }
}
