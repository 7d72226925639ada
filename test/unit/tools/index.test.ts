import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { TOOLS, toolsOf } from '../../../src/tools/index.ts'

describe('the list of tools', () => {
  test('has the order in which the model sees them', () => {
    expect(TOOLS.map(({ name }) => name)).toEqual([
      'shell_exec',
      'process_read',
      'process_write',
      'read_file',
      'write_file',
      'edit_file',
      'list_files',
      'search_files',
      'upload',
      'download',
      'run_code',
      'check_syntax',
      'install_packages',
      'sandbox_info',
      'sandbox_manage',
    ])
  })

  test('core is the named five and the tools for processes', () => {
    expect(toolsOf('core').map(({ name }) => name)).toEqual([
      'shell_exec',
      'process_read',
      'process_write',
      'read_file',
      'write_file',
      'list_files',
      'upload',
    ])
  })

  test('each set is part of the next, in the same order', () => {
    const [core, code, all] = [toolsOf('core'), toolsOf('code'), toolsOf('all')]
    expect(all).toEqual(TOOLS)
    expect(all.filter((tool) => code.includes(tool))).toEqual(code)
    expect(code.filter((tool) => core.includes(tool))).toEqual(core)
  })

  test('each tool has a file of its name', () => {
    const files = readdirSync(new URL('../../../src/tools', import.meta.url))
    expect(files).toEqual(expect.arrayContaining(TOOLS.map(({ name }) => `${name.replaceAll('_', '-')}.ts`)))
  })

  test.each(TOOLS.map((tool) => [tool.name, tool] as const))('%s is described in at most 600 characters', (_, tool) => {
    expect(tool.description.length).toBeGreaterThan(80)
    expect(tool.description.length).toBeLessThanOrEqual(600)
    expect(tool.title).toMatch(/^[A-Z][a-z ]+$/)
  })

  test('what only reads is neither destructive nor repeated with harm', () => {
    const readers = TOOLS.filter(({ effect }) => effect.readOnly)
    expect(readers.map(({ name }) => name)).toEqual([
      'process_read',
      'read_file',
      'list_files',
      'search_files',
      'check_syntax',
      'sandbox_info',
    ])
    for (const { effect } of readers) expect(effect).toMatchObject({ destructive: false, idempotent: true })
  })
})
