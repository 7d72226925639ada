import type { Readable } from 'node:stream'
import { pack } from 'tar-stream'
import { dockerodeExec } from '../exec.ts'
import { interleave, type Stats } from '../measure.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const LARGE_BYTES = 10 * 1024 * 1024

/** 1 KB through the tools of a real MCP client, and 10 MB through the sandbox's own file interface, beside exec and the archive API. */
export async function files(world: World): Promise<SuiteResult> {
  const served = await world.connect('files')
  const small = 'x'.repeat(1023) + '\n'
  await served.call('write_file', { path: 'small', content: small })
  const container = await world.containerOf('files')
  const lease = await world.app.registry.acquire('files')
  const large = Buffer.alloc(LARGE_BYTES, 'y')
  const { files: sandboxFiles } = lease.sandbox
  await sandboxFiles.write('large', large, { mode: 'overwrite' })
  const rounds = world.quick ? 3 : 12
  const smallStats = await interleave(
    [
      { name: 'read_file 1 KB', run: () => served.call('read_file', { path: 'small' }) },
      { name: 'exec cat 1 KB', run: () => dockerodeExec(container, ['cat', '/workspace/small']) },
      { name: 'getArchive 1 KB', run: () => getArchive('/workspace/small') },
      { name: 'write_file 1 KB', run: () => served.call('write_file', { path: 'small', content: small }) },
      {
        name: 'exec cat > 1 KB',
        run: () => dockerodeExec(container, ['sh', '-c', 'cat > /workspace/copy'], Buffer.from(small)),
      },
      { name: 'putArchive 1 KB', run: () => putArchive('archived', Buffer.from(small)) },
    ],
    { rounds, inARow: 10 },
  )
  const largeStats = await interleave(
    [
      { name: 'read 10 MB', run: () => sandboxFiles.readBytes('large', LARGE_BYTES) },
      { name: 'exec cat 10 MB', run: () => dockerodeExec(container, ['cat', '/workspace/large']) },
      { name: 'getArchive 10 MB', run: () => getArchive('/workspace/large') },
      { name: 'write 10 MB', run: () => sandboxFiles.write('large', large, { mode: 'overwrite' }) },
      {
        name: 'exec cat > 10 MB',
        run: () => dockerodeExec(container, ['sh', '-c', 'cat > /workspace/copy'], large),
      },
      { name: 'putArchive 10 MB', run: () => putArchive('archived', large) },
    ],
    { rounds: world.quick ? 3 : 12, warmUp: 1 },
  )
  lease.release()
  await served.close()
  const stats: Stats[] = [...smallStats, ...largeStats]
  const ratio = (slow: string, fast: string) => medianOf(stats, slow) / medianOf(stats, fast)
  return {
    suite: 'Files',
    columns: STATS_COLUMNS,
    rows: statsRows(stats),
    promises: [
      {
        what: 'read_file of 1 KB is faster than exec cat by',
        value: ratio('exec cat 1 KB', 'read_file 1 KB'),
        atLeast: 15,
      },
      {
        what: 'write_file of 1 KB is faster than exec cat by',
        value: ratio('exec cat > 1 KB', 'write_file 1 KB'),
        atLeast: 15,
      },
      {
        what: 'read of 10 MB is faster than the archive API by',
        value: ratio('getArchive 10 MB', 'read 10 MB'),
        atLeast: 1,
      },
    ],
  }

  async function getArchive(path: string): Promise<void> {
    const stream = await container.getArchive({ path })
    for await (const _ of stream) void _
  }

  async function putArchive(name: string, content: Buffer): Promise<void> {
    const archive = pack()
    archive.entry({ name }, content)
    archive.finalize()
    // The packer is a stream of the streamx library, which reads like Node's own.
    await container.putArchive(archive as unknown as Readable, { path: '/workspace' })
  }
}
