import type { WireErrorName } from './protocol.ts'

/** The supervisor answered with an ERROR frame. `sandbox/` turns it into a SandboxError that knows what was asked. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: WireErrorName
  readonly errno: number

  constructor(code: WireErrorName, errno: number) {
    super(`supervisor error ${code} (errno ${errno})`)
    this.code = code
    this.errno = errno
  }
}

/**
 * The stream to the supervisor ended before the answer came: it was cut, the container stopped, or the supervisor broke the
 * protocol. Whether the request was carried out is unknown.
 */
export class ConnectionLost extends Error {
  override readonly name: string = 'ConnectionLost'
}

/**
 * The stream ended during another server's hold, which the supervisor had told of: the sandbox was put to sleep, and what was not answered was never
 * begun (supervisor/PROTOCOL.md, "Activity").
 */
export class ConnectionHeld extends ConnectionLost {
  override readonly name = 'ConnectionHeld'
}

/** The stream was open, and the supervisor said nothing for the whole deadline: it is stuck, or whoever carries the stream is slow. */
export class SupervisorSilent extends ConnectionLost {
  override readonly name = 'SupervisorSilent'
}
