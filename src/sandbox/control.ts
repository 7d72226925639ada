export interface ControlOptions {
  readonly signal?: AbortSignal | undefined
  /** What is being done, for whoever waits. */
  readonly onProgress?: ((text: string) => void) | undefined
}

/** A copy of a user's files as they were at one moment. */
export interface Snapshot {
  readonly id: string
  readonly name: string | undefined
  /** ISO 8601. */
  readonly createdAt: string
  readonly files: number
  /** Of all files, holes included. */
  readonly bytes: number
  readonly compressedBytes: number
  /** Pipes, sockets and devices, which no copy keeps. */
  readonly skipped: number
}

/**
 * What a user may do with the whole of their sandbox, whatever state it is in. The registry provides it. Calls of the same user that
 * are under way finish, or are told that the sandbox stopped.
 */
export interface SandboxControl {
  /** Names of the runtimes that may be chosen. */
  readonly runtimes: readonly string[]
  /** A new container on the same files: all processes end. Resolves to the runtime's name. */
  restart(options: ControlOptions): Promise<string>
  /** A new container on an empty workspace. Resolves to the runtime's name. */
  startOver(options: ControlOptions): Promise<string>
  /** Another runtime from now on, with the same files. `invalid_argument`, naming the known ones, for a name that is none. */
  useRuntime(name: string, options: ControlOptions): Promise<string>
  /** Keeps a copy of all files; nothing ends. One of the same name gives way, and the oldest when there are too many. */
  snapshot(name: string | undefined, options: ControlOptions): Promise<Snapshot>
  /** Those that there are, newest first. */
  snapshots(): Promise<readonly Snapshot[]>
  /** The files of a snapshot (the newest, or by name or id) in place of the present ones, and a new container. */
  restoreSnapshot(
    wanted: string | undefined,
    options: ControlOptions,
  ): Promise<{ readonly snapshot: Snapshot; readonly runtime: string }>
  /**
   * Nothing is left: no container, no files, no choice of runtime. The next use makes a new sandbox. Files in a directory of the operator's machine
   * stay.
   */
  destroy(options: ControlOptions): Promise<{ readonly filesKept: boolean }>
}
