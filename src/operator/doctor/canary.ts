import { randomBytes } from 'node:crypto'
import { isSandboxError } from '../../errors/sandbox-error.ts'
import { formatDuration } from '../../lib/units.ts'
import type { SandboxProvider } from '../../registry/lease.ts'
import { engineWords } from '../engine-words.ts'
import { type Finding, fail, ok } from './finding.ts'

const TOKEN_BYTES = 16
const COMMAND_MS = 10_000
const MAX_OUTPUT_BYTES = 4096

export interface CanaryDeps {
  readonly provider: SandboxProvider
  readonly network: 'none' | 'bridge'
  readonly onProgress?: (text: string) => void
}

/**
 * Starts a sandbox for a user that nobody is, writes a file, reads it with a command, looks at its network and who it runs as, and destroys it:
 * the whole way that a call takes. A removal that fails is told as well.
 */
export async function canary({ provider, network, onProgress }: CanaryDeps): Promise<readonly Finding[]> {
  const token = randomBytes(TOKEN_BYTES).toString('hex')
  const user = `doctor:${token}`
  const deps = { provider, network, ...(onProgress && { onProgress }) }
  const findings = await useSandbox(deps, user, token).catch(failed)
  const removal = await provider
    .control(user)
    .destroy({})
    .then(() => [], failed)
  return [...findings, ...removal]
}

/** A failure as what was found. */
function failed(error: unknown): readonly Finding[] {
  if (!isSandboxError(error)) throw error
  const reason = engineWords(error)
  const said = reason === undefined ? '' : ` It says: ${reason}`
  return [fail('canary', `${error.code}: ${error.message}${said}`, error.hint)]
}

async function useSandbox(
  { provider, network, onProgress }: CanaryDeps,
  user: string,
  token: string,
): Promise<readonly Finding[]> {
  const startedAt = performance.now()
  const lease = await provider.acquire(user, onProgress ? { onProgress } : {})
  const startMs = performance.now() - startedAt
  try {
    const { files, commands } = lease.sandbox
    await files.write('canary.txt', Buffer.from(token), { mode: 'create' })
    const askedAt = performance.now()
    const { stdout } = await commands.run({
      command: 'cat canary.txt; echo; id -u; sed 1d /proc/net/route',
      timeoutMs: COMMAND_MS,
      waitMs: COMMAND_MS,
      maxOutputBytes: MAX_OUTPUT_BYTES,
    })
    const commandMs = performance.now() - askedAt
    const [echoed, uid = '', ...routes] = stdout.head.toString('latin1').trimEnd().split('\n')
    return [
      echoed === token
        ? ok('canary', `started in ${formatDuration(startMs)}, ran a command in ${formatDuration(commandMs)}`)
        : fail('canary', 'a command did not read what was written', 'Look at the log of the engine.'),
      /^[1-9]\d*$/.test(uid) ? ok('canary user', `uid ${uid}`) : fail('canary user', 'root', 'Report this fault.'),
      networkFinding(routes, network),
    ]
  } finally {
    lease.release()
  }
}

/** A kernel may put tunnel interfaces into every network namespace; without a route none of them leads anywhere (proc_pid_net(5)). */
function networkFinding(routes: readonly string[], network: 'none' | 'bridge'): Finding {
  if (network === 'bridge') return ok('canary network', 'open, as configured (network=bridge)')
  if (routes.length === 0) return ok('canary network', 'no route')
  return fail('canary network', `${routes.length} routes`, 'Report this fault.')
}
