import { randomBytes } from 'node:crypto'

const INCIDENT_BYTES = 6

/** What a caller is told instead of an unexpected error's text, and what the log has the text under. */
export function newIncident(): string {
  return randomBytes(INCIDENT_BYTES).toString('hex')
}
