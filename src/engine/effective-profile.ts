/** The protections that are in force, in the driver-neutral words of security profile. */
export interface EffectiveProfile {
  readonly user: string
  readonly memoryBytes: number
  readonly memorySwapBytes: number
  readonly nanoCpus: number
  readonly pids: number
  readonly readOnlyRoot: boolean
  readonly privileged: boolean
  readonly capAdd: readonly string[]
  /** True when every capability is dropped. */
  readonly capsDropped: boolean
  readonly noNewPrivileges: boolean
  /** True when a seccomp profile that is not "unconfined" is set. */
  readonly seccomp: boolean
  readonly networkMode: string
  readonly pidMode: string
  readonly ipcMode: string
  readonly mounts: readonly {
    readonly type: string
    /** Of a volume its name, of a directory its path on the engine's machine. */
    readonly name: string
    readonly target: string
    readonly readOnly: boolean
    /** Of a directory: whether mounts made on one side show on the other (mount_namespaces(7)). */
    readonly propagation?: string
  }[]
}
