import { randomBytes } from 'node:crypto'

/**
 * Directory of the workspace for what is there for the time of one call: on its volume, because /tmp is small and counts as memory. The
 * names tell what a thing is, so that it can be judged by whoever finds it after its server is gone.
 */
export const TEMPORARY_DIR = '.cache/sandbox-mcp'

/** Random bytes of a name, so that nobody meets the name of another. */
const ID_BYTES = 8
const ID = '[0-9a-f]{16}'

/** A directory that an archive is unpacked into; it lies beside its target. */
export function stagingName(): string {
  return `.sandbox-extract.${newId()}.tmp`
}
export const STAGING_GLOB = '.sandbox-extract.*.tmp'
export const STAGING_NAME = new RegExp(`^\\.sandbox-extract\\.${ID}\\.tmp$`)

/** A zip archive, which is read from its end. */
export function spoolName(): string {
  return `${newId()}.zip`
}
export const SPOOL_NAME = new RegExp(`^${ID}\\.zip$`)

/** A file with the path of something temporary that lies elsewhere. */
export function recordName(): string {
  return `${newId()}.at`
}
export const RECORD_NAME = new RegExp(`^${ID}\\.at$`)

/** A directory with packages for a command that installs them, and removes it. */
export function installName(): string {
  return newId()
}
export const INSTALL_NAME = new RegExp(`^${ID}$`)

function newId(): string {
  return randomBytes(ID_BYTES).toString('hex')
}
