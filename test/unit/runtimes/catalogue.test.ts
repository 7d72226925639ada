import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BUILT_IN_DIR, Catalogue } from '../../../src/runtimes/catalogue.ts'
import { expectCode } from '../../helpers/expect-code.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sandbox-mcp-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

function define(folder: string, content: unknown): void {
  mkdirSync(join(dir, folder), { recursive: true })
  writeFileSync(join(dir, folder, 'runtime.json'), typeof content === 'string' ? content : JSON.stringify(content))
}
const definition = (name: string, more = {}) => ({ name, description: 'Mine.', base_image: 'a:1', ...more })
const failure = (run: () => unknown) => expectCode(Promise.resolve().then(run), 'config_invalid')

describe('the catalogue', () => {
  test('has the built-in runtimes, each with a check and a way to build without a registry', () => {
    const catalogue = Catalogue.builtIn()
    expect(catalogue.names).toEqual([
      'node-minimal',
      'node-react',
      'polyglot',
      'python-datascience',
      'python-minimal',
      'python-web',
    ])
    for (const name of catalogue.names) {
      const { check, fallback, workDir } = catalogue.get(name)
      expect(check, name).toBeDefined()
      expect(fallback?.reference, name).toBe('sandbox-mcp/base:bookworm')
      expect(workDir, name).toBe('/workspace')
    }
  })

  test("takes the operator's own runtimes, also in place of a built-in one", () => {
    define('mine', definition('mine'))
    define('polyglot', definition('polyglot', { description: 'Another.' }))
    const catalogue = Catalogue.load([BUILT_IN_DIR, dir])
    expect(catalogue.names).toContain('mine')
    expect(catalogue.get('polyglot').description).toBe('Another.')
    expect(catalogue.names).toHaveLength(Catalogue.builtIn().names.length + 1)
  })

  test('takes definitions from the settings last, and names the one that is wrong', async () => {
    define('mine', definition('mine'))
    const custom = [definition('mine', { description: 'From the settings.' }), definition('other')]
    const catalogue = Catalogue.load([dir], custom)
    expect(catalogue.names).toEqual(['mine', 'other'])
    expect(catalogue.get('mine').description).toBe('From the settings.')
    const error = await failure(() => Catalogue.load([dir], [definition('fine'), definition('Not A Name')]))
    expect(error.message).toContain('customRuntimes[1]: name:')
  })

  test('passes over what is no definition', () => {
    mkdirSync(join(dir, 'steps'))
    writeFileSync(join(dir, 'README.md'), '')
    expect(Catalogue.load([dir]).names).toEqual([])
  })

  test('names the known runtimes when there is none of a name', async () => {
    define('b', definition('b'))
    define('a', definition('a'))
    const error = await expectCode(
      Promise.resolve().then(() => Catalogue.load([dir]).get('c')),
      'invalid_argument',
    )
    expect(error.message).toBe('There is no runtime "c".')
    expect(error.hint).toBe('Known runtimes: a, b.')
  })

  test('refuses a definition that is no JSON, wrong, or named unlike its folder, and names the file', async () => {
    define('mine', '{')
    expect((await failure(() => Catalogue.load([dir]))).message).toBe(
      `${join(dir, 'mine/runtime.json')} cannot be read as JSON.`,
    )
    define('mine', definition('mine', { work_dir: '/etc' }))
    expect((await failure(() => Catalogue.load([dir]))).message).toContain(join(dir, 'mine/runtime.json: work_dir: '))
    define('mine', definition('other'))
    expect((await failure(() => Catalogue.load([dir]))).message).toContain('must be its folder\'s, "mine"')
  })

  test('refuses a folder that is not there', async () => {
    expect((await failure(() => Catalogue.load([join(dir, 'none')]))).message).toContain('cannot be read')
  })
})
