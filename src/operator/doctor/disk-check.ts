import { statfs } from 'node:fs/promises'
import { formatBytes } from '../../lib/units.ts'
import { type Finding, ok, warn } from './finding.ts'

/** Below either of them an image or a workspace may soon find no room. */
const LEAST_FREE_BYTES = 5 * 1024 ** 3
const LEAST_FREE_SHARE = 0.1

/** Room where the engine keeps images and volumes; not known where the engine is on another machine. */
export async function diskCheck(rootDir: string, isLocal: boolean): Promise<Finding> {
  if (!isLocal) return ok('disk', 'on another machine; not looked at')
  let free: number
  let size: number
  try {
    const { bavail, blocks, bsize } = await statfs(rootDir)
    free = bavail * bsize
    size = blocks * bsize
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    return warn('disk', `${rootDir} cannot be looked at (${code})`, 'Look at the free space of the engine yourself.')
  }
  const found = `${formatBytes(free)} of ${formatBytes(size)} free in ${rootDir}`
  if (free >= LEAST_FREE_BYTES && free >= size * LEAST_FREE_SHARE) return ok('disk', found)
  return warn(
    'disk',
    found,
    'Remove images that nothing uses; sandbox-mcp destroy USER removes a user’s files, and nothing else does.',
  )
}
