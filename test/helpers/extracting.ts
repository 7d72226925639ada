import { expect } from 'vitest'
import type { SandboxError } from '../../src/errors/sandbox-error.ts'
import type { ArchiveKind } from '../../src/sandbox/archives/entry.ts'
import type { ExtractOptions } from '../../src/sandbox/archives/extract.ts'
import type { Extracted } from '../../src/sandbox/archives/staging.ts'
import { expectCode } from './expect-code.ts'
import { FakeSupervisor } from './fake-supervisor.ts'
import { randomPieces, seededRandom } from './random.ts'

export interface ExtractCase extends Partial<ExtractOptions> {
  readonly path?: string
  readonly signal?: AbortSignal
}

async function* arriving(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  yield* pieces
}

/** Unpacks an archive into `out`, in pieces of any size, as the network would give it. */
export function extract(
  bytes: Buffer,
  kind: ArchiveKind,
  fake = new FakeSupervisor(),
  { path = 'out', signal, ...options }: ExtractCase = {},
): Promise<Extracted> {
  const pieces = randomPieces(bytes, seededRandom(bytes.length), 5)
  const all = { overwrite: true, maxBytes: 1e9, ...options }
  return fake.sandbox().transfer.extract(arriving(pieces), kind, path, all, signal)
}

/** Asserts that nothing is there but these files and directories of the workspace, and directories for temporary files. */
export function expectOnly(
  fake: FakeSupervisor,
  files: readonly string[] = [],
  directories: readonly string[] = [],
): void {
  expect([...fake.files.keys()]).toEqual(files.map((each) => `/workspace/${each}`))
  const others = [...fake.directories].filter((each) => !each.startsWith('/workspace/.cache'))
  expect(others).toEqual(['/workspace', ...directories.map((each) => `/workspace/${each}`)])
}

/** Asserts that an archive is refused with this code and these words, and that nothing at all is left of it. */
export async function expectRefused(
  bytes: Buffer,
  kind: ArchiveKind,
  code: 'invalid_argument' | 'too_large',
  words: RegExp,
  options: ExtractCase = {},
): Promise<SandboxError> {
  const fake = new FakeSupervisor()
  const error = await expectCode(extract(bytes, kind, fake, options), code)
  expect(error.message).toMatch(words)
  expect(error.hint).toContain('Nothing was changed')
  expectOnly(fake)
  return error
}
