import { Readable } from 'node:stream'
import { pack } from 'tar-stream'
import { SUPERVISOR_PATH } from '../supervisor/protocol.ts'
import { BUILD_DIR, ROOT_DIR, SUPERVISOR_DIR } from './dockerfile.ts'

/** One date for every entry, so that the builder's cache knows unchanged files again. */
const EPOCH = new Date(0)

export interface BuildContextParts {
  readonly dockerfile: string
  readonly supervisor: Buffer
  /** Files that steps read, by name. */
  readonly buildFiles: ReadonlyMap<string, string | Buffer>
}

/** The tar stream of a build. Root owns all of it. */
export function buildContext({ dockerfile, supervisor, buildFiles }: BuildContextParts): Readable {
  const tar = pack()
  const common = { mtime: EPOCH, uid: 0, gid: 0 }
  const directory = (name: string, mode: number) => tar.entry({ ...common, name, type: 'directory', mode })
  const file = (name: string, mode: number, content: Buffer | string) => tar.entry({ ...common, name, mode }, content)
  file('Dockerfile', 0o644, dockerfile)
  directory(BUILD_DIR, 0o755)
  for (const [name, content] of buildFiles) file(`${BUILD_DIR}/${name}`, 0o644, content)
  directory(ROOT_DIR, 0o755)
  directory(`${ROOT_DIR}${SUPERVISOR_DIR}`, 0o555)
  file(`${ROOT_DIR}${SUPERVISOR_PATH}`, 0o555, supervisor)
  tar.finalize()
  return Readable.from(tar)
}
