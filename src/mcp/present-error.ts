import { newIncident } from '../errors/incident.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'

/** What the log says beside an error: who called which tool. */
export type ErrorScene = Readonly<Record<string, unknown>>

/**
 * An error as the model reads it: `CODE: what happened. What to do.`, and an excerpt below where there is one. Anything that is not a SandboxError is a fault of the server: its
 * text may name host paths or addresses, so the model gets an incident id and the log has the rest under it.
 */
export function presentError(error: unknown, scene: ErrorScene, logger: Logger): string {
  if (isSandboxError(error) && error.code !== 'internal') {
    const { code, message, hint, excerpt, details, facts } = error
    const fields = { ...scene, code, details, cause: error.cause }
    if (facts.kind === 'unavailable') logger.warn(fields, message)
    else logger.debug(fields, message)
    return `${code}: ${message} ${hint}${excerpt === undefined ? '' : `\n${excerpt}`}`
  }
  const incident = newIncident()
  logger.error({ ...scene, incident, err: error }, 'A tool call failed by a fault of the server.')
  const what = isSandboxError(error) ? error.message : 'The server failed.'
  return `internal: ${what} Call again; if it persists, tell the operator of incident ${incident}.`
}

/** An error for a call that its caller no longer wants. */
export function presentCancelled(): string {
  return 'cancelled: The call was cancelled. Call again if the result is still wanted.'
}
