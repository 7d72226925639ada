import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { clientTable } from './matrix.ts'

test('the README shows the clients and legs that are tested', () => {
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
  const shown = /<!-- clients:begin [^\n]*\n(.*?)<!-- clients:end -->/s.exec(readme)?.[1]
  expect(shown?.trim()).toBe(clientTable())
})
