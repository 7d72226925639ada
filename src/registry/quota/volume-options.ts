import type { Labels } from '../../engine/engine.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { WorkspaceLimits } from './limits.ts'

/** What a volume is made for. */
export interface VolumeFacts {
  readonly name: string
  /** Whose files will be in it. */
  readonly uid: number
  readonly limits: WorkspaceLimits
}

/** What stands for each fact in an option's value. */
const PLACEHOLDER = /\{(\w+)\}/g

/**
 * The engine's options for one workspace volume, from the operator's pattern: `{size}` becomes the limit in bytes, `{files}` that of files,
 * `{uid}` the owner, `{name}` the volume's own name. `config_invalid` for any other word, and for a size where there is no limit.
 */
export function volumeOptions(pattern: Labels, { name, uid, limits }: VolumeFacts): Labels {
  const values = new Map<string, string | number>([
    ['name', name],
    ['uid', uid],
    ...(limits.bytes > 0 ? [['size', limits.bytes] as const] : []),
    ...(limits.files > 0 ? [['files', limits.files] as const] : []),
  ])
  const filled = Object.entries(pattern).map(([key, value]): [string, string] => [
    key,
    value.replace(PLACEHOLDER, (_, word: string) => String(values.get(word) ?? unknown(word))),
  ])
  return Object.fromEntries(filled)
}

function unknown(word: string): never {
  const isLimit = word === 'size' || word === 'files'
  throw new SandboxError(
    'config_invalid',
    isLimit
      ? `volumeOptions needs {${word}}, and the workspace has no such limit.`
      : `volumeOptions: there is no {${word.slice(0, 40)}}.`,
    {
      hint: isLimit
        ? 'Set workspaceSize and workspaceFiles, also of single users.'
        : 'Use {size}, {files}, {uid} or {name}.',
    },
  )
}
