import { Sandbox } from '../../src/sandbox/sandbox.ts'
import type { SandboxFacts } from '../../src/sandbox/facts.ts'
import { noPackages } from './fake-supervisor.ts'
import { startLocalSupervisor } from './local-supervisor.ts'

/** A sandbox over a real supervisor, which runs as an ordinary process of this machine in a workspace of its own. */
export interface LocalSandbox extends AsyncDisposable {
  readonly sandbox: Sandbox
  /** Absolute, on this machine. */
  readonly workspace: string
}

export async function startLocalSandbox(facts: Partial<SandboxFacts> = {}): Promise<LocalSandbox> {
  const supervisor = await startLocalSupervisor()
  const client = await supervisor.connect()
  const link = { client: () => Promise.resolve(client), afterEviction: () => Promise.resolve(client) }
  const own: SandboxFacts = {
    runtime: 'local',
    workspace: supervisor.workspace,
    spoolDir: supervisor.spool,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: supervisor.workspace },
    network: 'none',
    packageManager: 'pip',
    maxTimeoutMs: 3_600_000,
    ...facts,
  }
  const sandbox = new Sandbox(link, own, noPackages)
  return { sandbox, workspace: supervisor.workspace, [Symbol.asyncDispose]: () => supervisor[Symbol.asyncDispose]() }
}
