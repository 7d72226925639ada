import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { upload } from '../../../src/tools/upload.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'
import { zip } from '../../helpers/zip.ts'

const HELLO = Buffer.from('hello\0')
const DIGEST = createHash('sha256').update(HELLO).digest('hex')
const base = { path: 'a.bin', content: HELLO.toString('base64'), encoding: 'base64' }

describe('upload', () => {
  test('writes the exact bytes and tells their digest in both channels', async () => {
    const fake = new FakeSupervisor()
    const outcome = await runTool(upload, { ...base, sha256: DIGEST.toUpperCase() }, fake)
    expect(fake.files.get('/workspace/a.bin')?.data).toEqual(HELLO)
    expect(outcome.text).toBe('a.bin created.')
    expect(outcome.footer).toBe(`[6 B · sha256 ${DIGEST}]`)
    expect(outcome.structured).toEqual({ path: 'a.bin', bytes: 6, sha256: DIGEST })
  })

  test('with another digest nothing is written', async () => {
    const fake = new FakeSupervisor()
    const { message } = await expectCode(runTool(upload, { ...base, sha256: '0'.repeat(64) }, fake), 'invalid_argument')
    expect(message).toContain(DIGEST)
    expect(fake.files.size).toBe(0)
  })

  test('overwrite=false refuses a file that is there', async () => {
    const fake = new FakeSupervisor()
    fake.put('a.bin', 'old')
    await expectCode(runTool(upload, { ...base, overwrite: false }, fake), 'already_exists')
    expect(fake.text('a.bin')).toBe('old')
  })

  test('256 KiB pass, one byte more is too large and says what to do, in either encoding', async () => {
    const most = Buffer.alloc(256 * 1024, 'x')
    await runTool(upload, { path: 'a', content: most.toString('base64'), encoding: 'base64' })
    await runTool(upload, { path: 'a', content: most.toString() })
    const more = Buffer.concat([most, Buffer.from('x')])
    for (const args of [{ content: more.toString('base64'), encoding: 'base64' }, { content: more.toString() }]) {
      const { hint } = await expectCode(runTool(upload, { path: 'a', ...args }), 'too_large')
      expect(hint).toContain('mode=append')
    }
    await expectCode(runTool(upload, { path: 'a', content: '!'.repeat(5_000_000), encoding: 'base64' }), 'too_large')
  })

  test('an archive is unpacked below the path', async () => {
    const fake = new FakeSupervisor()
    const archive = zip([
      { name: 'x/a', data: Buffer.from('1') },
      { name: 'b', data: Buffer.from('22') },
    ])
    const content = archive.toString('base64')
    const outcome = await runTool(upload, { path: 'out', content, encoding: 'base64', extract: 'zip' }, fake)
    expect(outcome.text).toBe('2 files (3 B) extracted into out.')
    expect(outcome.structured).toMatchObject({ path: 'out', files_extracted: 2, bytes_extracted: 3 })
    expect(fake.text('out/x/a')).toBe('1')
    expect(fake.text('out/b')).toBe('22')
  })
})
