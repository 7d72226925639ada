import { formatBytes } from '../../lib/units.ts'
import { type DiskState, isBelow } from '../../registry/quota/disk-floor.ts'
import { diskOf } from '../../registry/quota/local-disk.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Below either of them an image or a workspace may soon find no room. */
const LEAST_FREE_BYTES = 5 * 1024 ** 3
const LEAST_FREE_SHARE = 0.1

/**
 * Room where the engine keeps images and volumes; not known where the engine is on another machine. Below `floorBytes` users may not write any
 * more, which is a failure.
 */
export async function diskCheck(rootDir: string, isLocal: boolean, floorBytes: number): Promise<Finding> {
  if (!isLocal) return ok('disk', 'on another machine; not looked at')
  let disk: DiskState
  try {
    disk = await diskOf(rootDir)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    return warn('disk', `${rootDir} cannot be looked at (${code})`, 'Look at the free space of the engine yourself.')
  }
  return diskFinding(disk, rootDir, floorBytes)
}

/** What is to be said about a disk. */
export function diskFinding(disk: DiskState, rootDir: string, floorBytes: number): Finding {
  const { freeBytes, bytes, inodes, freeInodes } = disk
  const files = inodes > 0 ? `, ${freeInodes.toLocaleString('en-US')} inodes` : ''
  const found = `${formatBytes(freeBytes)} of ${formatBytes(bytes)}${files} free in ${rootDir}`
  if (floorBytes > 0 && isBelow(disk, floorBytes)) {
    return fail('disk', `${found}; ${formatBytes(floorBytes)} are kept free`, `Users cannot write. ${ADVICE}`)
  }
  const isShort =
    freeBytes < LEAST_FREE_BYTES || freeBytes < bytes * LEAST_FREE_SHARE || freeInodes < inodes * LEAST_FREE_SHARE
  return isShort ? warn('disk', found, ADVICE) : ok('disk', found)
}

const ADVICE =
  'sandbox-mcp prune removes what nothing uses; list --size shows who takes most; destroy USER removes a user’s files, and nothing else does.'
