import { createHash, randomBytes } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SandboxError } from '../errors/sandbox-error.ts'
import { LABEL, type SandboxIdentity, uidFromLabels } from '../registry/identity.ts'
import { findContainer, findWorkspace, type Owner, resolveOwner } from '../registry/owner.ts'
import { readChoice } from '../registry/runtime-choice.ts'
import { FORMAT, type Head, type Totals } from './manifest.ts'
import type { BackupScene, CopyCall } from './scene.ts'
import { tallyTold } from './scene.ts'
import { whileStill } from './still.ts'
import { reachable } from './target/directory.ts'
import { archiveOf } from './workspace-archive.ts'
import { LockedEntry, WorkspaceHelper } from './workspace-helper.ts'
import { compressed } from './zstd/stream.ts'

/** An archive that lies in a file of the host, whole and synced. */
export interface SpooledArchive extends AsyncDisposable {
  readonly file: string
  readonly head: Head
  readonly totals: Totals
  readonly bytes: number
  /** SHA-256 of the file, in hex. */
  readonly sha256: string
  /** How long the sandbox was held still, in milliseconds; 0 when it slept. */
  readonly heldMs: number
}

/**
 * Copies a user's workspace into a file of `spoolDir`. The sandbox is held still only for that: what a target takes longer for happens
 * afterwards. `not_found` when the user has no workspace on the engine.
 */
export async function copyOut(
  scene: BackupScene,
  identity: SandboxIdentity,
  spoolDir: string,
  call: CopyCall,
): Promise<SpooledArchive> {
  const { engine } = scene
  const { signal, onProgress } = call
  const options = signal ? { signal } : {}
  const owner = await resolveOwner(engine, identity, options)
  const workspace = await findWorkspace(engine, owner, options)
  if (!workspace) throw noWorkspace(owner)
  const uid = uidFromLabels(workspace.labels)
  if (uid === undefined) throw new SandboxError('engine_failed', 'The workspace volume does not say whose it is.')
  const container = await findContainer(engine, owner, options)
  const image = await scene.image(call)
  const head: Head = {
    format: FORMAT,
    createdAt: new Date().toISOString(),
    userHash: identity.userHash,
    runtime: container?.labels[LABEL.runtime] ?? (await readChoice(engine, identity, options)) ?? null,
    uid,
  }
  let heldMs = 0
  // Read-only, but for a tree in which something denies its owner to read.
  const take = (access: 'read' | 'write') =>
    whileStill(
      engine,
      owner,
      async (frozen) => {
        const spec = { identity, ...image, uid, volumeName: workspace.name, access, frozen }
        const helper = await WorkspaceHelper.start(scene, spec, signal)
        return {
          copy: (held) => {
            onProgress?.('reading the files')
            const stream = helper.pack({ unlock: access === 'write', signal: held })
            return spool(stream, head, spoolDir, scene, onProgress)
          },
          [Symbol.asyncDispose]: () => helper[Symbol.asyncDispose](),
        }
      },
      { signal, maxHeldMs: scene.maxHeldMs, onHeld: (ms) => (heldMs += ms) },
    )
  const taken = await take('read').catch((error: unknown) => {
    if (!(error instanceof LockedEntry)) throw error
    return take('write')
  })
  scene.logger.info(
    { user: identity.userHash, heldMs: Math.round(heldMs), bytes: taken.totals.bytes },
    'workspace copied',
  )
  return { ...taken, head, heldMs, [Symbol.asyncDispose]: () => rm(taken.file, { force: true }) }
}

async function spool(
  stream: AsyncIterable<Buffer>,
  head: Head,
  spoolDir: string,
  { limits }: BackupScene,
  onProgress: CopyCall['onProgress'],
): Promise<Pick<SpooledArchive, 'file' | 'totals' | 'bytes' | 'sha256'>> {
  const file = join(spoolDir, `archive-${randomBytes(8).toString('hex')}.tmp`)
  const handle = await reachable(() => open(file, 'wx', 0o600))
  let isWhole = false
  try {
    let totals: Totals | undefined
    let bytes = 0
    const hash = createHash('sha256')
    const onTally = tallyTold('reading the files', onProgress)
    const archive = archiveOf(stream, head, spoolDir, { limits, onTally, onTotals: (told) => (totals = told) })
    for await (const piece of compressed(archive)) {
      hash.update(piece)
      bytes += piece.length
      await reachable(() => handle.writeFile(piece))
    }
    if (!totals) throw new TypeError('an archive without totals')
    await reachable(() => handle.sync())
    isWhole = true
    return { file, totals, bytes, sha256: hash.digest('hex') }
  } finally {
    await handle.close()
    if (!isWhole) await rm(file, { force: true })
  }
}

function noWorkspace({ archive }: Owner): SandboxError {
  if (archive !== undefined) {
    return new SandboxError('not_found', 'The files of this user are archived already.', {
      hint: 'Their backup is in the list of backups.',
    })
  }
  return new SandboxError('not_found', 'This user has no files on the engine.', {
    hint: 'A workspace comes with the first use of a sandbox. One that is a directory of the host is not backed up here.',
  })
}
