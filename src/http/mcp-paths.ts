/** Where MCP clients speak JSON-RPC: Streamable HTTP, and the two ends of the older HTTP+SSE. */
export const MCP_PATHS = ['/mcp', '/sse', '/messages'] as const

const IS_MCP = new RegExp(`^(?:${MCP_PATHS.join('|')})(?:[/?]|$)`, 'i')

/** True for a request target of MCP: errors there are JSON-RPC, as those clients read nothing else. */
export function isMcpTarget(target: string | undefined): boolean {
  return IS_MCP.test(target ?? '')
}
