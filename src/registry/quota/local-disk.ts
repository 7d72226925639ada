import { statfs } from 'node:fs/promises'
import type { DiskState } from './disk-floor.ts'

/** How full the file system of a directory of this machine is; rejects with the error of statfs(2). */
export async function diskOf(directory: string): Promise<DiskState> {
  const { bavail, blocks, bsize, files, ffree } = await statfs(directory)
  return { bytes: blocks * bsize, freeBytes: bavail * bsize, inodes: files, freeInodes: ffree }
}
