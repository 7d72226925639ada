import { randomBytes } from 'node:crypto'
import { access, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { s3Target } from '../../../../src/backup/target/s3.ts'
import { bucket } from '../../../helpers/bucket.ts'
import { expectCode } from '../../../helpers/expect-code.ts'
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts'
import { gathered } from '../../../helpers/workspace-stream.ts'

const MIB = 1024 ** 2

async function lab() {
  const made = await bucket()
  const spoolDir = temporaryDirectory()
  const { endpoint } = made
  const settings = { endpoint, region: 'auto', prefix: 'p/', accessKeyId: 'id', secretAccessKey: 'secret', spoolDir }
  const target = await s3Target(settings)
  const spooled = async (content: Buffer) => {
    const file = join(target.spoolDir, 'archive')
    await writeFile(file, content)
    return file
  }
  return { made, target, spooled, spoolDir }
}

describe('a bucket', () => {
  test.each([0, 1, 16 * MIB, 16 * MIB + 1, 40 * MIB])('keeps %i bytes as they are', async (bytes) => {
    const { target, spooled, made } = await lab()
    const content = randomBytes(bytes)
    const file = await spooled(content)
    await target.put('u/a.tar.zst', file)
    expect((await gathered(target.read('u/a.tar.zst'))).equals(content)).toBe(true)
    expect(await target.list('u/')).toMatchObject([{ key: 'u/a.tar.zst', bytes }])
    expect([...made.objects.keys()]).toEqual(['p/u/a.tar.zst'])
    await expect(access(file)).rejects.toThrow('ENOENT')
  })

  test('has no object, and no part of one, when an upload fails on the way', async () => {
    const { target, spooled, made } = await lab()
    made.fail = { matches: (_, url) => url.searchParams.get('partNumber') === '2', status: 403 }
    const file = await spooled(randomBytes(40 * MIB))
    await expectCode(target.put('u/a.tar.zst', file), 'backup_unavailable')
    expect(made.objects.size).toBe(0)
    expect(made.uploads.size).toBe(0)
    await expect(access(file)).rejects.toThrow('ENOENT')
  })

  test('loses what a dead server had begun, and keeps what is younger', async () => {
    const { target, made, spoolDir } = await lab()
    made.uploads.set('old', { key: 'p/u/old', parts: new Map(), initiated: '2020-01-01T00:00:00.000Z' })
    made.uploads.set('new', { key: 'p/u/new', parts: new Map(), initiated: new Date().toISOString() })
    made.uploads.set('foreign', { key: 'q/u/old', parts: new Map(), initiated: '2020-01-01T00:00:00.000Z' })
    expect(await target.sweep(3_600_000)).toBe(1)
    expect([...made.uploads.keys()]).toEqual(['new', 'foreign'])
    expect(await readdir(spoolDir)).toHaveLength(1)
  })

  test('asks again what failed for once, and tells what goes on failing', async () => {
    const { target, made } = await lab()
    let failures = 1
    made.fail = { matches: () => failures-- > 0, status: 503 }
    await target.putText('u/a.json', '{}')
    expect(await target.getText('u/a.json', 10)).toBe('{}')
    failures = Number.POSITIVE_INFINITY
    await expectCode(target.list('u/'), 'backup_unavailable')
  })

  test('says what is not there, bounds what is read at once, and removes', async () => {
    const { target } = await lab()
    expect(await target.getText('u/none', 10)).toBeUndefined()
    await expectCode(gathered(target.read('u/none')), 'not_found')
    await target.putText('u/long', 'x'.repeat(11))
    await expectCode(target.getText('u/long', 10), 'backup_damaged')
    await target.remove('u/long')
    await target.remove('u/long')
    expect(await target.list('u/')).toEqual([])
  })

  test('that is not there is backup_unavailable', async () => {
    const spoolDir = temporaryDirectory()
    const endpoint = 'http://127.0.0.1:1/bucket'
    const target = await s3Target({
      endpoint,
      region: 'auto',
      prefix: '',
      accessKeyId: 'a',
      secretAccessKey: 'b',
      spoolDir,
    })
    await expectCode(target.list('u/'), 'backup_unavailable')
  })
})
