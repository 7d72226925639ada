/** How a caller reached this server. */
export type CallerTransport = 'stdio' | 'http' | 'sse'

/** The identity behind one request. The user is the tenant who owns the sandbox; the rest is for the log. */
export interface Caller {
  readonly user: string
  /** Name and version of the MCP client, as it says itself: never used to decide anything. */
  readonly client?: string
  readonly transport: CallerTransport
}
