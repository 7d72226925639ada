import { isSandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { type ErrorScene, presentError } from './present-error.ts'

/** Why a request is answered with a JSON-RPC error. Each revision of the protocol has numbers of its own for these. */
export interface ProtocolFault {
  readonly kind: 'invalid' | 'not_found' | 'failed'
  readonly message: string
}

/** An error outside tools, as its caller reads it. What is not ours to tell stands in the log, under an incident id. */
export function protocolFault(error: unknown, scene: ErrorScene, logger: Logger): ProtocolFault {
  const message = presentError(error, scene, logger)
  const { kind } = isSandboxError(error) ? error.facts : { kind: 'internal' }
  return { kind: kind === 'invalid' || kind === 'not_found' ? kind : 'failed', message }
}
