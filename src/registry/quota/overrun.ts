import { SandboxError } from '../../errors/sandbox-error.ts'
import { counted, formatBytes } from '../../lib/units.ts'
import type { DiskUsage } from '../../supervisor/protocol.ts'
import type { WorkspaceLimits } from './limits.ts'

const LARGEST = 'du -xh /workspace | sort -h | tail'
const HINT = `Delete what is not needed, with shell_exec: "${LARGEST}" shows what takes most.`

/** Why a workspace may not grow by so many bytes; undefined while it may. */
export function overrun(used: DiskUsage, limits: WorkspaceLimits, moreBytes = 0): SandboxError | undefined {
  const { bytes, entries, unseen } = used
  if (limits.bytes > 0 && bytes > limits.bytes) return full(usedWords(used, limits))
  if (limits.files > 0 && entries > limits.files) return full(usedWords(used, limits))
  if (limits.bytes > 0 && bytes + moreBytes > limits.bytes) {
    return full(`${formatBytes(moreBytes)} more do not fit: ${lowerFirst(usedWords(used, limits))}`)
  }
  // What cannot be seen could be any amount.
  if (unseen === undefined || (limits.bytes === 0 && limits.files === 0)) return undefined
  const [message, hint] = UNSEEN[unseen]
  return full(message, hint)
}

const UNSEEN = {
  unreadable: [
    'The workspace has directories that may not be read, so that nobody can tell how much it holds.',
    'Make them readable, with shell_exec: chmod -R u+rX /workspace',
  ],
  too_deep: [
    'The workspace has directories so deep that nobody can tell how much it holds.',
    'Remove them with shell_exec: rm -rf takes the upper one.',
  ],
} as const satisfies Record<NonNullable<DiskUsage['unseen']>, readonly [string, string]>

function full(message: string, hint = HINT): SandboxError {
  return new SandboxError('disk_full', message, { hint })
}

/** "The workspace holds 11.2 GiB in 1,200 files; 10 GiB and 1,000,000 files are allowed." */
export function usedWords(
  { bytes, entries, stopped }: Pick<DiskUsage, 'bytes' | 'entries' | 'stopped'>,
  limits: WorkspaceLimits,
): string {
  const more = stopped === undefined ? '' : 'more than '
  const allowed = [
    ...(limits.bytes > 0 ? [formatBytes(limits.bytes)] : []),
    ...(limits.files > 0 ? [counted(limits.files, 'file')] : []),
  ]
  return `The workspace holds ${more}${formatBytes(bytes)} in ${counted(entries, 'file')}; ${allowed.join(' and ')} are allowed.`
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
