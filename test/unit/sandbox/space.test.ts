import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { AMPLE_SPACE, type Space } from '../../../src/sandbox/space.ts'
import { editFile } from '../../../src/tools/edit-file.ts'
import { installPackages } from '../../../src/tools/install-packages.ts'
import { runCode } from '../../../src/tools/run-code.ts'
import { upload } from '../../../src/tools/upload.ts'
import { writeFile } from '../../../src/tools/write-file.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

const MIB = 1024 ** 2

/** Room for so many bytes. */
function room(bytes: number): Space & { asked: number[]; written: number[] } {
  const asked: number[] = []
  const written: number[] = []
  return {
    ...AMPLE_SPACE,
    asked,
    written,
    require: (more) => {
      asked.push(more)
      return more > bytes ? Promise.reject(new SandboxError('disk_full', 'full')) : Promise.resolve()
    },
    wrote: (more) => void written.push(more),
  }
}

function world(space: Space): FakeSupervisor {
  const fake = new FakeSupervisor()
  fake.space = space
  fake.put('kept.txt', 'old')
  return fake
}

async function* pieces(count: number): AsyncIterable<Buffer> {
  for (let n = 0; n < count; n++) yield await Promise.resolve(Buffer.alloc(MIB / 4))
}

describe('without room', () => {
  test.each([
    ['write_file', writeFile, { path: 'kept.txt', content: 'new' }],
    ['edit_file', editFile, { path: 'kept.txt', edits: [{ old: 'old', new: 'new' }] }],
    ['upload', upload, { path: 'kept.txt', content: 'new' }],
    ['run_code', runCode, { language: 'bash', code: 'true' }],
    ['install_packages', installPackages, { packages: ['a'] }],
  ] as const)('%s is refused, and nothing has happened', async (_name, tool, args) => {
    const fake = world(room(-1))
    await expectCode(runTool(tool, args, fake), 'disk_full')
    expect(fake.text('kept.txt')).toBe('old')
    expect(fake.started).toEqual([])
  })

  test('a stream ends as soon as it does not fit any more, and the old file is there', async () => {
    const space = room(2 * MIB)
    const fake = world(space)
    await expectCode(
      fake.sandbox().transfer.write('kept.txt', pieces(40), { mode: 'overwrite', maxBytes: 100 * MIB }),
      'disk_full',
    )
    expect(fake.text('kept.txt')).toBe('old')
    expect(space.asked.at(-1)).toBeLessThanOrEqual(3.5 * MIB)
  })

  test('files outside of the workspace are the kernel’s matter', async () => {
    const fake = world(room(-1))
    await fake.sandbox().files.write('/tmp/x', Buffer.from('x'), { mode: 'create' })
    expect(fake.text('/tmp/x')).toBe('x')
  })
})

test('what is written is noted', async () => {
  const space = room(100 * MIB)
  const { files, transfer } = world(space).sandbox()
  await files.write('a', Buffer.alloc(5), { mode: 'create' })
  await transfer.write('b', pieces(3), { mode: 'create', maxBytes: 100 * MIB })
  expect(space.written).toEqual([5, (3 * MIB) / 4])
})
