/** What is fixed for a sandbox while its container lives. Paths are inside the container. */
export interface SandboxFacts {
  /**
   * persistent: what runs goes on between calls · ephemeral: each call has a container of its own, and nothing but the files outlives it · bind: persistent,
   * on a directory of the operator's machine · attach: in a container that is the operator's.
   */
  readonly mode: 'persistent' | 'ephemeral' | 'bind' | 'attach'
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
  /** Of the runtime, in one sentence. */
  readonly description: string
  /** Id of the image: "sha256:…". */
  readonly imageId: string
  /** SHA-256 in hex of all that the image was made from. */
  readonly digest: string
  /** What the runtime adds to its base. */
  readonly packages: readonly { readonly manager: string; readonly packages: readonly string[] }[]
  readonly limits: SandboxLimits
  /** Time without use after which it goes to sleep; 0: never. */
  readonly idleTimeoutMs: number
}

/** What a sandbox may take at most. */
export interface SandboxLimits {
  readonly memoryBytes: number
  /** CPUs' worth of time. */
  readonly cpus: number
  /** Processes and threads. */
  readonly pids: number
  readonly tmpBytes: number
  /** Largest single file. */
  readonly fileBytes: number
  /** For each process. */
  readonly openFiles: number
}
