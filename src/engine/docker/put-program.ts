import { extract, type Header, pack } from 'tar-stream'
import { Readable } from 'node:stream'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { ProgramFile } from '../engine.ts'
import { containerPath } from './api-path.ts'
import type { CallLimits, EngineApi } from './call.ts'

/** What is neither a path nor an option, and cannot be "..": the engine resolves it as root. */
const PLAIN_NAME = /^\.?[A-Za-z0-9_][A-Za-z0-9._-]{0,100}$/
/** Beside the file, what a tar archive of a directory with one file may take: headers, padding, long names. */
const ARCHIVE_EXTRA_BYTES = 64 * 1024
const WRITABLE_BY_OTHERS = 0o022

/**
 * `Containers.putProgram` by the engine's archive calls. Both name a directory right under "/", so that no part of the path is a link that
 * somebody inside can place (CVE-2018-15664 was a race for one); and what came of it is read back by the engine, not by programs of the container.
 */
export async function putProgram(
  api: EngineApi,
  idOrName: string,
  program: ProgramFile,
  limits: CallLimits,
): Promise<void> {
  if (!PLAIN_NAME.test(program.directory) || !PLAIN_NAME.test(program.name)) {
    throw new SandboxError('invalid_argument', 'A program is put under plain names.')
  }
  if ((await faultOf(api, idOrName, program, limits)) === undefined) return
  await api.send({
    action: 'put a program into the container',
    method: 'PUT',
    path: containerPath(idOrName, '/archive'),
    // Never a directory over something else of that name.
    query: { path: '/', noOverwriteDirNonDir: 1 },
    upload: Readable.from(archiveOf(program)),
    limits,
  })
  const fault = await faultOf(api, idOrName, program, limits)
  if (fault === undefined) return
  throw new SandboxError(
    'unsafe_engine',
    `The program that was put into the container is not as it was put: ${fault}.`,
    { hint: 'Something in the container changes what root puts there. Use another container.' },
  )
}

function archiveOf({ directory, name, content }: ProgramFile) {
  const tar = pack()
  const ofRoot = { uid: 0, gid: 0, mtime: new Date(0) }
  tar.entry({ ...ofRoot, name: directory, type: 'directory', mode: 0o755 })
  tar.entry({ ...ofRoot, name: `${directory}/${name}`, mode: 0o555 }, Buffer.from(content))
  tar.finalize()
  return tar
}

/** What is wrong with the program that is there; undefined when nothing is. */
async function faultOf(
  api: EngineApi,
  idOrName: string,
  { directory, name, content }: ProgramFile,
  limits: CallLimits,
): Promise<string | undefined> {
  const archive = await api.findBytes(
    {
      action: 'look for a program in the container',
      method: 'GET',
      path: containerPath(idOrName, '/archive'),
      query: { path: `/${directory}` },
      absent: [404],
      limits,
    },
    content.length + ARCHIVE_EXTRA_BYTES,
  )
  if (!archive) return 'it is not there'
  try {
    return await archiveFault(archive, { directory, name, content })
  } catch (cause) {
    throw new SandboxError('engine_failed', 'The engine answered with what is no archive.', { cause })
  }
}

async function archiveFault(archive: Buffer, { directory, name, content }: ProgramFile): Promise<string | undefined> {
  const found = extract()
  found.end(archive)
  const names: string[] = []
  for await (const entry of found) {
    const fault = entryFault(entry.header)
    if (fault !== undefined) return fault
    names.push(entry.header.name.replace(/\/$/, ''))
    const pieces: Buffer[] = []
    for await (const piece of entry) pieces.push(piece as Buffer)
    if (entry.header.type === 'file' && !Buffer.concat(pieces).equals(content)) return 'its content differs'
  }
  return names.join() === [directory, `${directory}/${name}`].join() ? undefined : 'other files are beside it'
}

function entryFault({ type, uid, gid, mode }: Header): string | undefined {
  if (type !== 'directory' && type !== 'file') return 'it is neither a directory nor a file'
  if (uid !== 0 || gid !== 0) return 'it is not root’s'
  return (mode & WRITABLE_BY_OTHERS) === 0 ? undefined : 'others may write it'
}
