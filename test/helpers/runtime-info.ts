import type { RuntimeInfo } from '../../src/registry/runtime-info.ts'
import { TEST_POLICY } from './registry-lab.ts'

/** A measured runtime with a package, as a server without a network has it. */
export const TEST_RUNTIME: RuntimeInfo = {
  name: 'python-minimal',
  description: 'Python 3 with pip and venv.',
  mode: 'persistent',
  workspace: '/workspace',
  image: 'ready',
  contents: {
    os: 'Debian GNU/Linux 12 (bookworm)',
    programs: { python3: '3.11.2', pip: '23.0.1' },
    packages: { pip: { numpy: '2.1.0', pip: '23.0.1' } },
  },
  packageManager: 'pip',
  installs: false,
  limits: { ...TEST_POLICY.limits, memoryBytes: 512 * 1024 ** 2 },
  maxTimeoutMs: 3_600_000,
  network: 'none',
  runtimes: ['polyglot', 'python-minimal'],
}
