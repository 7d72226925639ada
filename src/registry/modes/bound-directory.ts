import { realpath, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { EngineInfo } from '../../engine/engine.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { BRIDGE_UID } from '../../supervisor/protocol.ts'

/** A directory of this machine that is a workspace, checked just now. */
export interface BoundDirectory {
  /** Without links in it. */
  readonly directory: string
  /** Its owner, whom everything in the sandbox runs as: so the person owns what is written. Never root. */
  readonly uid: number
  readonly gid: number
}

/** What a directory is checked against. */
export interface BindScene {
  readonly engineIsLocal: boolean
  readonly info: Pick<EngineInfo, 'rootDir' | 'userNamespaces'>
  /** Files and directories of this server and of the engine that nobody inside may reach: its socket, tokens, configuration. */
  readonly secrets: readonly string[]
  /** Directories of all users. */
  readonly directories: readonly string[]
}

/** Programs, settings, devices and records of the system: neither they, nor what is in them, nor what they are in. */
const SYSTEM = [
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/proc',
  '/run',
  '/sbin',
  '/sys',
  '/usr',
  '/var/cache',
  '/var/lib',
  '/var/log',
  '/var/run',
  '/var/spool',
]
/** Directories of all people or of all services; what is in them may be one person's. */
const COMMON = ['/', '/home', '/media', '/mnt', '/opt', '/root', '/srv', '/tmp', '/var', '/var/tmp']
/** In a home directory: keys and credentials. */
const PERSONAL = ['.aws', '.config', '.docker', '.gnupg', '.kube', '.netrc', '.sandbox-mcp', '.ssh']

const WRITABLE_BY_ALL = 0o002
const STICKY = 0o1000

/**
 * Checks that a directory may be a workspace, at every start: what is at a path may change. `config_invalid`, saying why and what to do, when it
 * may not.
 *
 * What each rule is for: a system directory would let the sandbox change programs that root runs; the engine's socket is root on this machine;
 * a directory within another user's could be swapped for a link by that user's sandbox, and so could one below a directory that everybody may
 * write. A directory of root's would make the sandbox root, or be of no use.
 */
export async function checkDirectory(given: string, scene: BindScene): Promise<BoundDirectory> {
  if (!scene.engineIsLocal) throw refusal(given, 'the container engine is another machine', 'Use a local engine.')
  if (scene.info.userNamespaces) {
    throw refusal(
      given,
      'the engine maps uids, so that nobody inside is its owner',
      'Use an engine without userns-remap.',
    )
  }
  const directory = await real(given)
  if (directory === undefined) throw refusal(given, 'it is not there', 'Make the directory first.')
  const found = await stat(directory)
  if (!found.isDirectory()) throw refusal(given, 'it is no directory', 'Name a directory.')
  await refuseReserved(given, directory, scene)
  await refuseSwappable(given, directory)
  if (found.uid === 0) {
    throw refusal(given, 'it is root’s, and nothing in a sandbox runs as root', `chown it to whoever works in it.`)
  }
  if (found.uid === BRIDGE_UID) throw refusal(given, 'its owner is a user of this program', 'chown it to a person.')
  // The group of root would open what root's group may read.
  return { directory, uid: found.uid, gid: found.gid === 0 ? found.uid : found.gid }
}

async function refuseReserved(given: string, directory: string, scene: BindScene): Promise<void> {
  const home = homedir()
  const personal = [home, ...PERSONAL.map((name) => join(home, name))]
  const reserved = [...SYSTEM, scene.info.rootDir, ...scene.secrets, ...personal.slice(1)]
  for (const path of reserved) {
    const at = (await real(path)) ?? resolve(path)
    if (isWithin(directory, at) || isWithin(at, directory)) {
      throw refusal(given, `it is, is in, or holds ${path}`, 'Name a directory of a project.')
    }
  }
  if (COMMON.includes(directory) || directory === home) {
    throw refusal(given, 'it is no single project’s', 'Name a directory of a project.')
  }
  for (const path of scene.directories) {
    const other = (await real(path)) ?? resolve(path)
    if (other !== directory && (isWithin(directory, other) || isWithin(other, directory))) {
      throw refusal(given, `one of it and ${path}, another user’s workspace, is in the other`, 'Keep them apart.')
    }
  }
}

/** Whoever can rename a directory of the path can put a link to anything in its place. */
async function refuseSwappable(given: string, directory: string): Promise<void> {
  for (let above = dirname(directory); ; above = dirname(above)) {
    const { mode } = await stat(above)
    if ((mode & WRITABLE_BY_ALL) !== 0 && (mode & STICKY) === 0) {
      throw refusal(given, `everybody may rename what is in ${above}`, `chmod o-w ${above}`)
    }
    if (above === dirname(above)) return
  }
}

/** Without links; undefined when it is not there. */
async function real(path: string): Promise<string | undefined> {
  try {
    return await realpath(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return undefined
    }
    throw error
  }
}

/** True when `path` is `directory`, or in it. */
function isWithin(path: string, directory: string): boolean {
  const below = relative(directory, path)
  return below !== '..' && !below.startsWith(`..${sep}`)
}

function refusal(given: string, why: string, hint: string): SandboxError {
  return new SandboxError('config_invalid', `${given} cannot be a workspace: ${why}.`, { hint })
}
