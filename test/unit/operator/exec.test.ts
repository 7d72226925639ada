import { test } from 'vitest'
import { silentLogger } from '../../../src/lib/logger.ts'
import { execInSandbox } from '../../../src/operator/exec.ts'
import type { SandboxProvider } from '../../../src/registry/lease.ts'
import { expectCode } from '../../helpers/expect-code.ts'

/** Whoever asks it for a sandbox gets none. */
const provider: SandboxProvider = {
  acquire: () => Promise.reject(new Error('a sandbox was asked for')),
  acquireExisting: () => Promise.reject(new Error('a sandbox was asked for')),
  control: () => {
    throw new Error('a sandbox was asked for')
  },
}
const deps = { provider, maxTimeoutMs: 1000, sinks: { stdout() {}, stderr() {} }, logger: silentLogger }

test.each(['', 'id:a4b28ff2a983027dd2ea633cdd83fd05'])(
  'no sandbox is started for %j, which is no name',
  async (user) => {
    await expectCode(execInSandbox({ user, words: ['true'] }, deps), 'invalid_argument')
  },
)

test('no sandbox is started without a command', async () => {
  await expectCode(execInSandbox({ user: 'alice', words: [] }, deps), 'invalid_argument')
})
