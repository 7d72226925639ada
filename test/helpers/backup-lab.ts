import { Backups, type BackupsDeps } from '../../src/backup/backups.ts'
import { directoryTarget } from '../../src/backup/target/directory.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { identityOf, type SandboxIdentity, volumeLabels } from '../../src/registry/identity.ts'
import { createFakeEngine, type FakeEngine } from './fake-engine.ts'
import type { FakeContainer } from './fake-world.ts'
import type { ProgramEnd } from './memory-stream.ts'
import { containerSpec } from './specs.ts'
import { temporaryDirectory } from './temporary-directory.ts'
import { TEST_POLICY } from './registry-lab.ts'
import { type TestEntry, workspaceStream } from './workspace-stream.ts'

const IMAGE = 'sandbox-mcp/test:1'
const UID = 1_100_001

/** Workspaces of a fake engine whose helpers pack and unpack what the lab says is in a volume. */
export interface BackupLab {
  readonly engine: FakeEngine
  /** What each volume holds, as the packer writes it. */
  readonly contents: Map<string, Buffer>
  readonly identity: SandboxIdentity
  /** Directory of the target. */
  readonly root: string
  /** Exit codes of the next programs, in turn, instead of their work. */
  readonly exits: number[]
  /** Called when the packer starts. */
  onPack: (() => Promise<void>) | undefined
  /** Another process, on this engine or another view of it. */
  backups(engine?: Engine, overrides?: Partial<BackupsDeps>): Backups
  /** Gives the user these files, on the volume that is named after them. */
  give(entries: readonly TestEntry[]): Promise<void>
  /** A container of the user's own on the volume. */
  start(volumeName?: string): Promise<string>
}

export async function backupLab(): Promise<BackupLab> {
  const root = temporaryDirectory()
  const identity = identityOf('test', 'alice')
  const contents = new Map<string, Buffer>()
  const engine = createFakeEngine({
    images: [IMAGE],
    onStream: (container, { command }, program) => void play(lab, container, command, program),
  })
  const imageId = (await engine.images.inspect(IMAGE))?.id ?? ''
  const lab: BackupLab = {
    engine,
    contents,
    identity,
    root,
    exits: [],
    onPack: undefined,
    backups: (view = engine, overrides = {}) =>
      new Backups({
        engine: view,
        image: () => Promise.resolve({ imageId, ociRuntime: undefined }),
        uidOf: () => Promise.resolve(UID),
        workspaceOf: () => TEST_POLICY.workspace,
        target: () => directoryTarget(root),
        limits: { maxBytes: 1024 ** 3, maxEntries: 1000 },
        maxHeldMs: 60_000,
        retention: { keep: 3, maxAgeMs: 0, snapshots: 2, snapshotBytes: 1024 ** 2 },
        logger: silentLogger,
        ...overrides,
      }),
    async give(entries) {
      await engine.volumes.ensure(identity.volumeName, volumeLabels(identity, UID))
      contents.set(identity.volumeName, workspaceStream(entries))
    },
    async start(volumeName = identity.volumeName) {
      const labels = { ...volumeLabels(identity, UID), 'sandbox-mcp.role': 'sandbox' }
      const volume = { name: volumeName, mountPath: '/workspace' }
      const spec = containerSpec({ name: identity.containerName, image: IMAGE, labels, volume, uid: UID })
      const { id } = await engine.containers.create(spec)
      await engine.containers.start(id)
      return id
    },
  }
  return lab
}

const EMPTY = workspaceStream([])

async function play(
  lab: BackupLab,
  { spec }: FakeContainer,
  command: readonly string[],
  program: ProgramEnd,
): Promise<void> {
  const exit = lab.exits.shift()
  if (exit !== undefined) {
    program.exit(exit)
    return
  }
  const volume = spec.volume?.name ?? ''
  if (command[1] === 'pack') {
    await lab.onPack?.()
    await program.stdout(lab.contents.get(volume) ?? EMPTY)
    program.exit()
    return
  }
  const pieces: Buffer[] = []
  program.onStdin(async (piece) => {
    pieces.push(Buffer.from(piece))
    const all = Buffer.concat(pieces)
    // The end mark of an archive; a lab's files hold no block of zeros.
    if (all.length < 1024 || all.subarray(-1024).some((byte) => byte !== 0)) return
    lab.contents.set(volume, all)
    await program.stdout(Buffer.from('done 1\n'))
    program.exit()
  })
}
