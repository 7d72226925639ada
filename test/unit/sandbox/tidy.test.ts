import { describe, expect, test } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { tar } from '../../helpers/tar.ts'

const ID = '0123456789abcdef'
const CACHE = '/workspace/.cache/sandbox-mcp'

/** A workspace with files at these paths, each in directories of its own. */
function workspace(files: Readonly<Record<string, string>>): FakeSupervisor {
  const fake = new FakeSupervisor()
  for (const [path, text] of Object.entries(files)) fake.put(path, text)
  return fake
}

const LEFT = {
  [`/workspace/.sandbox-extract.${ID}.tmp/half`]: 'x',
  [`${CACHE}/${ID}.zip`]: 'PK',
  [`${CACHE}/fedcba9876543210.at`]: `/workspace/deep/.sandbox-extract.${ID}.tmp`,
  [`/workspace/deep/.sandbox-extract.${ID}.tmp/half`]: 'x',
}

describe('what a server that was killed has left', () => {
  test('is removed, wherever it lies, and nothing else is', async () => {
    const kept = { '/workspace/deep/mine': 'x', '/workspace/.sandbox-extract.mine.tmp': 'x', [`${CACHE}/mine`]: 'x' }
    const fake = workspace({ ...LEFT, ...kept })
    expect(await fake.sandbox().tidy(false)).toBe(3)
    expect([...fake.files.keys()].sort()).toEqual(Object.keys(kept).sort())
  })

  test('is left alone while another server is connected: it may be that one’s', async () => {
    const fake = workspace(LEFT)
    fake.state = { ...fake.state, connections: 2 }
    expect(await fake.sandbox().tidy(true)).toBe(0)
    expect(fake.files.size).toBe(4)
  })

  test('as packages goes only from a sandbox in which their installation cannot run any more', async () => {
    const fake = workspace({ [`${CACHE}/${ID}/packages.tar`]: 'x' })
    await fake.sandbox().tidy(false)
    expect(fake.files.size).toBe(1)
    await fake.sandbox().tidy(true)
    expect(fake.files.size).toBe(0)
  })

  test('is not what this server unpacks just now', async () => {
    const fake = new FakeSupervisor()
    const rest = deferred<Buffer>()
    const archive = await tar([{ name: 'a', content: 'a' }])
    async function* arriving() {
      yield archive.subarray(0, 512)
      yield await rest.promise
    }
    const options = { overwrite: true, maxBytes: 1e6 }
    fake.directories.add('/workspace/deep')
    const sandbox = fake.sandbox()
    const unpacking = sandbox.transfer.extract(arriving(), 'tar', 'deep/out', options)
    await expect.poll(() => [...fake.directories].some((each) => each.endsWith('.tmp'))).toBe(true)
    expect(await sandbox.tidy(true)).toBe(0)
    rest.resolve(archive.subarray(512))
    expect(await unpacking).toMatchObject({ files: 1 })
    expect([...fake.files.keys()]).toEqual(['/workspace/deep/out/a'])
  })
})

test.each([
  '/workspace/mine',
  '/etc/passwd',
  `/workspace/.sandbox-extract.${ID}.tmp/..`,
  `/workspace/mine\0/.sandbox-extract.${ID}.tmp`,
])('a record of %j, which anybody could have written, removes nothing but itself', async (path) => {
  const fake = workspace({ '/workspace/mine': 'x', [`${CACHE}/${ID}.at`]: path })
  await fake.sandbox().tidy(true)
  expect([...fake.files.keys()]).toEqual(['/workspace/mine'])
})
