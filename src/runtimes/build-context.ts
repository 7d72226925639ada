import { Readable } from 'node:stream'
import { pack } from 'tar-stream'
import { SUPERVISOR_PATH } from '../supervisor/protocol.ts'
import { SUPERVISOR_DIR } from './dockerfile.ts'

/** One date for every entry, so that the builder's cache knows unchanged files again. */
const EPOCH = new Date(0)

/** The tar stream of a build: the Dockerfile, and `rootfs/` with what goes over the base's root. Root owns all of it. */
export function buildContext(dockerfile: string, supervisor: Buffer): Readable {
  const tar = pack()
  const directory = (name: string, mode: number) =>
    tar.entry({ name, type: 'directory', mode, mtime: EPOCH, uid: 0, gid: 0 })
  const file = (name: string, mode: number, content: Buffer | string) =>
    tar.entry({ name, mode, mtime: EPOCH, uid: 0, gid: 0 }, content)
  file('Dockerfile', 0o644, dockerfile)
  directory('rootfs', 0o755)
  directory(`rootfs${SUPERVISOR_DIR}`, 0o555)
  file(`rootfs${SUPERVISOR_PATH}`, 0o555, supervisor)
  tar.finalize()
  return Readable.from(tar)
}
