import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { SETTING_KEYS } from '../../../src/config/settings.ts'

const FOLDER = resolve(import.meta.dirname, '../../../src/config/settings')

test('every setting stands in one file of its folder, and none is left out', async () => {
  const themes = await Promise.all(
    readdirSync(FOLDER).map(async (file) => Object.values((await import(join(FOLDER, file))) as object) as object[]),
  )
  const keys = themes.flat().flatMap((theme) => Object.keys(theme))
  expect(keys.length).toBeGreaterThan(80)
  // It belongs to no theme.
  expect([...keys, 'logLevel'].sort()).toEqual([...SETTING_KEYS].sort())
})
