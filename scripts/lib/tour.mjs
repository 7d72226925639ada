import { playSession } from './demo.mjs'
import { compareLatency } from './latency.mjs'
import { portableConfig, readServerConfig } from './mcp-config.mjs'
import { Session, serverLogPath } from './session.mjs'
import { duration, paint, print } from './terminal.mjs'

/** Starts the server, plays a session, measures, and says how to connect a client. */
export async function tour(api) {
  const startedMs = performance.now()
  const { command, args, env } = readServerConfig()
  print(`\n${paint('bold', 'A first session')}, over stdio with "${command} ${args.join(' ')}" (mcp.json)`)
  const session = await Session.open()
  try {
    const tools = await session.toolNames()
    print(`${session.server.name} ${session.server.version} offers ${tools.length} tools: ${tools.join(' ')}`)
    await playSession(session)
    await tellLatency(session, api, env)
  } catch (error) {
    print(`\n${paint('red', '✗')} the first session failed; the log of the server is ${serverLogPath}`)
    throw error
  } finally {
    await session.close()
  }
  print(
    `\nPlayed in ${duration(performance.now() - startedMs)}. The sandbox keeps its files for the next session of "${env.SANDBOX_USER}".`,
  )
  tellHowToConnect()
}

async function tellLatency(session, api, env) {
  const { shellExecMs, dockerExecMs, calls, execs } = await compareLatency(session, api, env)
  const ratio = Math.round(dockerExecMs / shellExecMs)
  print(`\n${paint('bold', 'How fast')}, for the command "true" in this sandbox`)
  print(
    `  shell_exec   ${paint('green', duration(shellExecMs))}  median of ${calls}, from call to result through the MCP client`,
  )
  print(
    `  docker exec  ${duration(dockerExecMs)}  median of ${execs}, through the engine's API: ${ratio} times as long`,
  )
}

function tellHowToConnect() {
  print(`\n${paint('bold', 'Connect your client')}`)
  print(
    '  Claude Desktop: Settings > Developer > Edit Config.  Cursor: ~/.cursor/mcp.json.  Others: where they keep "mcpServers".',
  )
  print(portableConfig().replaceAll(/^/gm, '  '))
}
