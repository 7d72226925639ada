/** What is fixed for a sandbox while its container lives. Paths are inside the container. */
export interface SandboxFacts {
  /** Name of its runtime. */
  readonly runtime: string
  readonly workspace: string
  /** Where the supervisor spools output that does not fit in memory. */
  readonly spoolDir: string
  /** Environment of every command, before the caller's own. */
  readonly env: Readonly<Record<string, string>>
  readonly network: 'none' | 'bridge'
  /** What packages are installed with, when the caller names nothing else. */
  readonly packageManager: 'pip' | 'npm' | 'apt' | 'cargo'
  readonly maxTimeoutMs: number
}
