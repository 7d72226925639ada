import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { isSandboxError } from '../../../src/errors/sandbox-error.ts'
import { WatchedFile, type WatchedFileOptions } from '../../../src/http/watched-file.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'
import { temporaryDirectory } from '../../helpers/temporary-directory.ts'

// Waits for the system to tell of a change, or for timeouts of the server: more than a busy machine takes.
vi.setConfig({ testTimeout: 20_000 })

/** Follows a file that has to hold a number. */
function follow(path: string, options: Partial<WatchedFileOptions<number>> = {}) {
  const { logger, lines } = recordingLogger()
  const changes: number[] = []
  const parse = (bytes: Buffer) => {
    const number = Number(bytes.toString() || 'nothing')
    if (Number.isNaN(number)) throw new Error('no number')
    return number
  }
  const file = new WatchedFile({
    path,
    what: 'number',
    parse,
    onChange: (value) => changes.push(value),
    logger,
    ...options,
  })
  onTestFinished(() => file[Symbol.dispose]())
  return { file, changes, warnings: () => lines.filter(({ level }) => level === 'warn') }
}

function newFile(content = '1'): string {
  const path = join(temporaryDirectory(), 'number')
  writeFileSync(path, content)
  return path
}

function replace(path: string, content: string): void {
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

describe('a change is seen without being asked for', () => {
  test.each<[string, (path: string) => void]>([
    ['written in place', (path) => writeFileSync(path, '2')],
    ['put in its place by rename', (path) => replace(path, '2')],
    ['removed and made anew', (path) => (rmSync(path), writeFileSync(path, '2'))],
  ])('when it is %s', async (_name, change) => {
    const path = newFile()
    const { file, changes } = follow(path)
    change(path)
    await expect.poll(() => file.value, { timeout: 10_000 }).toBe(2)
    expect(changes).toEqual([2])
  })

  test('time after time, as each rename puts another file there', async () => {
    const path = newFile()
    const { file } = follow(path)
    for (const number of [2, 3, 4]) {
      replace(path, String(number))
      await expect.poll(() => file.value, { timeout: 10_000 }).toBe(number)
    }
  })

  test('when the folder is made after the start', async () => {
    const path = join(temporaryDirectory(), 'later', 'number')
    const { file } = follow(path, { whenMissing: 0 })
    expect(file.value).toBe(0)
    mkdirSync(dirname(path))
    writeFileSync(path, '2')
    await expect.poll(() => file.value, { timeout: 10_000 }).toBe(2)
  })
})

describe('the last good value stays, with one warning,', () => {
  test.each<[string, (path: string) => void]>([
    ['while the file is half-written', (path) => writeFileSync(path, '')],
    ['while the file is broken', (path) => replace(path, 'two')],
    ['while there is no file', (path) => rmSync(path)],
    ['while it is a folder', (path) => (rmSync(path), mkdirSync(path))],
  ])('%s, and the next good one holds', async (_name, spoil) => {
    const path = newFile()
    const { file, warnings } = follow(path)
    spoil(path)
    file.refresh()
    file.refresh()
    expect(file.value).toBe(1)
    expect(warnings()).toHaveLength(1)
    rmSync(path, { recursive: true, force: true })
    replace(path, '3')
    await expect.poll(() => file.value, { timeout: 10_000 }).toBe(3)
  })
})

test('a change of the same size within the same moment is seen, too', () => {
  const path = newFile('1')
  const { file } = follow(path)
  for (let number = 2; number < 10; number++) {
    writeFileSync(path, String(number))
    file.refresh()
    expect(file.value).toBe(number)
  }
})

test('a file that has not changed is not read again', () => {
  const { file, changes } = follow(newFile())
  file.refresh()
  expect(changes).toEqual([])
})

test.each([
  ['missing', undefined, /^The number .* cannot be read \(ENOENT\)\.$/],
  ['broken', 'two', /^The number .* is not valid\.$/],
  ['larger than any list of keys', ' '.repeat(17 * 1024 ** 2), /is larger than/],
])('a file that is %s at the start is an error that names it', (_name, content, message) => {
  const path = content === undefined ? join(temporaryDirectory(), 'number') : newFile(content)
  let failure: unknown
  try {
    follow(path)
  } catch (error) {
    failure = error
  }
  expect(isSandboxError(failure, 'config_invalid')).toBe(true)
  expect((failure as Error).message).toMatch(message)
})
