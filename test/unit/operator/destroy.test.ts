import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { destroySandbox } from '../../../src/operator/destroy.ts'
import { listOwned } from '../../../src/registry/owned.ts'
import { type BackupLab, backupLab } from '../../helpers/backup-lab.ts'
import { expectCode } from '../../helpers/expect-code.ts'

const FILES = [{ path: 'work', content: 'of a week' }]

/** A user with files and a backup of them. */
async function lab(): Promise<BackupLab> {
  const made = await backupLab()
  await made.give(FILES)
  await made.backups().create(made.identity, { kind: 'backup', verify: false })
  return made
}

async function destroy(made: BackupLab, args: { confirmed?: boolean; withBackups?: boolean }): Promise<string> {
  let text = ''
  const out = { write: (more: string) => void (text += more), isTerminal: false, json: false }
  const { engine, identity } = made
  await destroySandbox(
    identity,
    { confirmed: true, withBackups: false, ...args },
    { engine, backups: made.backups(), out },
  )
  return text
}

test('a destroyed user keeps the backups, and the operator is told where they are', async () => {
  const made = await lab()
  expect(await destroy(made, {})).toContain(`sandbox-mcp backup id:${made.identity.userHash} --list`)
  expect(await listOwned(made.engine, 'test')).toEqual([])
  expect(await made.backups().list(made.identity)).toHaveLength(1)
})

test('with the backups all of them go, damaged ones too, and not before the operator has said so', async () => {
  const made = await lab()
  const directory = join(made.root, made.identity.userHash)
  await writeFile(join(directory, '20260131T120000000Z-0123abcd.json'), 'damaged')
  await writeFile(join(directory, '20260131T120000000Z-0123abcd.tar.zst'), 'damaged')
  const { message } = await expectCode(destroy(made, { confirmed: false, withBackups: true }), 'invalid_argument')
  expect(message).toContain('1 backup for good')
  expect(await made.engine.volumes.inspect(made.identity.volumeName)).toBeDefined()
  expect(await destroy(made, { withBackups: true })).toMatch(/ is destroyed, with its files and 1 backup\.\n$/)
  expect(await listOwned(made.engine, 'test')).toEqual([])
  expect(await readdir(directory).catch(() => [])).toEqual([])
})

test('the backups of a user whose sandbox is gone already can be removed; a user without anything is not found', async () => {
  const made = await lab()
  await destroy(made, {})
  await expectCode(destroy(made, {}), 'not_found')
  expect(await destroy(made, { withBackups: true })).toMatch(/ is destroyed, with 1 backup\.\n$/)
  expect(await made.backups().list(made.identity)).toEqual([])
  await expectCode(destroy(made, { withBackups: true }), 'not_found')
})
