import { describe, expect, test } from 'vitest'
import { isSandboxError } from '../../../src/errors/sandbox-error.ts'
import { parseDefinition } from '../../../src/runtimes/definition.ts'

const MINIMAL = { name: 'mine', description: 'Mine.', base_image: 'python:3.12-slim' }

function problemOf(content: unknown): string {
  try {
    parseDefinition(content, 'file.json')
  } catch (error) {
    if (isSandboxError(error, 'config_invalid')) return error.message
    throw error
  }
  return 'accepted'
}

describe('a definition', () => {
  test('needs a name, a description and a base, and has defaults for the rest', () => {
    expect(parseDefinition(MINIMAL, 'file.json')).toEqual({
      name: 'mine',
      description: 'Mine.',
      base: { reference: 'python:3.12-slim', packages: [] },
      setupCommands: [],
      env: {},
      workDir: '/workspace',
      cacheImage: true,
    })
  })

  test('takes limits in the units of the settings', () => {
    const limits = { memory: '1GiB', cpus: 1.5, pids: 100, tmp_size: 2097152, file_size: '2g', open_files: 512 }
    expect(parseDefinition({ ...MINIMAL, limits }, 'file.json').limits).toEqual({
      memoryBytes: 1024 ** 3,
      cpus: 1.5,
      pids: 100,
      tmpBytes: 2 * 1024 ** 2,
      fileBytes: 2 * 1024 ** 3,
      openFiles: 512,
    })
    expect(parseDefinition({ ...MINIMAL, limits: { cpus: 2 } }, 'file.json').limits).toEqual({ cpus: 2 })
  })

  test("installs a fallback's packages before its own", () => {
    const definition = parseDefinition(
      {
        ...MINIMAL,
        fallback: {
          base_image: 'debian:bookworm',
          packages: [{ package_manager: 'apt', packages: ['python3'] }],
        },
        packages: [{ package_manager: 'pip', packages: ['httpx'] }],
      },
      'file.json',
    )
    expect(definition.base.packages.map(({ manager }) => manager)).toEqual(['pip'])
    expect(definition.fallback).toEqual({
      reference: 'debian:bookworm',
      packages: [
        { manager: 'apt', packages: ['python3'] },
        { manager: 'pip', packages: ['httpx'] },
      ],
    })
  })

  test.each([
    'python',
    'python:3.12-slim',
    'ghcr.io/owner/image:1.0',
    'localhost:5000/a/b',
    `busybox@sha256:${'0'.repeat(64)}`,
  ])('accepts the image reference %s', (base_image) => {
    expect(problemOf({ ...MINIMAL, base_image })).toBe('accepted')
  })

  test('tells every field that is wrong at once', () => {
    const problem = problemOf({ ...MINIMAL, name: 'Bad', work_dir: '/etc' })
    expect(problem.split('\n')).toEqual([
      expect.stringMatching(/^file\.json: name: use lower-case letters/),
      'file.json: work_dir: a directory of the system cannot be the workspace',
    ])
  })
})

describe('a definition is refused', () => {
  const pip = (...packages: unknown[]) => ({ packages: [{ package_manager: 'pip', packages }] })
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['that is no object', 'python', /\(file\)/],
    ['with a field that nobody knows', { base: 'x' }, /Unrecognized key: "base"/],
    ['with the name of another folder', { name: '../evil' }, /name: use lower-case/],
    ['with a name that ends a line', { name: 'a\nRUN evil' }, /name: use lower-case/],
    ['with neither image nor base', { base_image: undefined }, /base_image: give either/],
    ['with both image and base', { image: 'python:3' }, /base_image: give either/],
    [
      'with a ready-made image and packages',
      { base_image: undefined, image: 'a', ...pip('a') },
      /packages: a ready-made/,
    ],
    ['with a base that is an option', { base_image: '--privileged' }, /base_image: give an image reference/],
    ['with a base that ends the instruction', { base_image: 'a\nRUN evil' }, /base_image: give an image reference/],
    ['with a base that names a stage', { base_image: 'python AS x' }, /base_image: give an image reference/],
    ['with a variable in the base', { base_image: '$BASE' }, /base_image: give an image reference/],
    [
      'with a package manager that nobody knows',
      { packages: [{ package_manager: 'gem', packages: ['a'] }] },
      /package_manager/,
    ],
    [
      'with an empty group of packages',
      { packages: [{ package_manager: 'pip', packages: [] }] },
      /packages\.0\.packages/,
    ],
    [
      'with a package that is an option',
      pip('--index-url=http://evil'),
      /packages\.0\.packages\.0: .*is no pip package: write it as/,
    ],
    ['with a package that is no text', pip(1), /packages\.0\.packages\.0/],
    ['with a setup command of two lines', { setup_commands: ['a\nb'] }, /setup_commands\.0: must be one line/],
    ['with a NUL in a setup command', { setup_commands: ['a\0b'] }, /setup_commands\.0: must be one line/],
    ['with an escape sequence in a check', { check: ['\u001b[2J'] }, /check\.0: must be one line/],
    ['with a line separator in the description', { description: 'a\u2028b' }, /description: must be one line/],
    ['with a variable whose name is an assignment', { env_vars: { 'A=B': '1' } }, /env_vars\.A=B: use letters, digits/],
    [
      'with a variable that the loader obeys',
      { env_vars: { LD_PRELOAD: '/x.so' } },
      /env_vars\.\w+: is set by the server/,
    ],
    ['with a variable that the server sets', { env_vars: { HOME: '/root' } }, /env_vars\.\w+: is set by the server/],
    ['with a variable of two lines', { env_vars: { A: 'x\nRUN evil' } }, /env_vars\.A: must be one line/],
    [
      'with a work directory below another',
      { work_dir: '/workspace/../etc' },
      /work_dir: give a directory directly under/,
    ],
    ['with a relative work directory', { work_dir: 'workspace' }, /work_dir: give a directory directly under/],
    ['with the root as work directory', { work_dir: '/' }, /work_dir: give a directory directly under/],
    ['with a system directory as work directory', { work_dir: '/usr' }, /work_dir: a directory of the system/],
    ["with the host's network", { network: 'host' }, /network/],
    ['with an OCI runtime that is a path', { oci_runtime: '/bin/evil' }, /oci_runtime: use the name/],
    [
      'with a memory limit below what a sandbox needs',
      { limits: { memory: '1MiB' } },
      /limits\.memory: give a size of at least/,
    ],
    ['with a limit that is no number', { limits: { cpus: '1; evil' } }, /limits\.cpus/],
    ['with a limit that nobody knows', { limits: { privileged: true } }, /limits: Unrecognized key/],
    ['with cache_image as text', { cache_image: 'no' }, /cache_image/],
  ]
  test.each(cases)('%s', (_, change, problem) => {
    const content = typeof change === 'object' ? { ...MINIMAL, ...change } : change
    expect(problemOf(content)).toMatch(problem)
  })
})
