/** What every call to an engine may be given. */
export interface CallOptions {
  readonly signal?: AbortSignal
  /** Milliseconds until the call fails with `engine_unreachable`. Each call has its own default. */
  readonly deadlineMs?: number
}

/** Names with values that an engine keeps with a container, volume or image, and finds it by. */
export type Labels = Readonly<Record<string, string>>
