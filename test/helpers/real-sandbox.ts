import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, inject } from 'vitest'
import { type App, createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import type { SandboxLease } from '../../src/registry/lease.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { NO_HANDOVER } from '../../src/lib/handover.ts'
import { parseArguments } from '../../src/tools/parse-arguments.ts'
import type { AnyOutcome, Tool } from '../../src/tools/tool.ts'
import { type BuildNetwork, useBuildNetwork } from './build-network.ts'
import { FakeControl } from './fake-control.ts'
import { removeInstallation } from './installation.ts'
import { installationPrefix } from './test-label.ts'

/** A sandbox of this file on the real engine. */
export interface RealSandbox {
  readonly sandbox: Sandbox
  /** Runs a tool in it, as a call does. */
  call(tool: Tool, args: unknown): Promise<AnyOutcome>
  /** Writes a file, relative to the workspace. */
  put(path: string, content: string | Uint8Array): Promise<void>
  /** The standard output of a shell command. */
  output(command: string): Promise<string>
}

/** Building the image of a runtime may take this long, where it is not there yet. */
const START_TIMEOUT_MS = 600_000

/** Starts a sandbox of a runtime before the tests of a file or `describe`, through the registry as the program does, and removes it after. */
export function useRealSandbox(runtime: string, settings: Readonly<Record<string, string>> = {}): () => RealSandbox {
  const installation = `${installationPrefix(inject('runId'))}${randomBytes(4).toString('hex')}`
  const network = useBuildNetwork()
  let app: App | undefined
  let lease: SandboxLease | undefined

  beforeAll(async () => {
    const flags = { ...buildFlags(network()), ...settings, installation, runtime }
    app = createApp(loadConfig({ flags, env: {} }).config, process.env, silentLogger)
    // A call gives up on a start that takes long: the image is waited for by itself.
    await app.images.ensure(runtime)
    lease = await app.registry.acquire('user')
  }, START_TIMEOUT_MS)

  afterAll(async () => {
    lease?.release()
    if (!app) return
    await app.registry.close(false)
    await removeInstallation(app.engine, installation)
    await app.engine.close()
  })

  return () => {
    if (!lease) throw new Error('the sandbox runs in tests only')
    return toolsIn(lease.sandbox)
  }
}

export function buildFlags({ buildNetwork = 'default', packageSources = {} }: BuildNetwork): Record<string, string> {
  return {
    'build-network': buildNetwork,
    'pip-index': (packageSources.pipIndexes ?? []).join(','),
    'build-ca': packageSources.certificatesFile ?? '',
  }
}

/** Ways to use a sandbox in tests. */
export function toolsIn(sandbox: Sandbox): RealSandbox {
  const signal = new AbortController().signal
  return {
    sandbox,
    call: (tool, args) =>
      tool.run(parseArguments(tool, args), { sandbox, control: new FakeControl(), handover: NO_HANDOVER, signal }),
    put: async (path, content) => {
      await sandbox.files.write(path, Buffer.from(content), { mode: 'overwrite' })
    },
    async output(command) {
      const { stdout, stderr, exitCode } = await sandbox.commands.run({
        command,
        timeoutMs: 30_000,
        waitMs: 30_000,
        maxOutputBytes: 65_536,
      })
      if (exitCode !== 0) throw new Error(`${command}: exit ${exitCode}: ${stderr.head.toString()}`)
      return stdout.head.toString().replace(/\n$/, '')
    },
  }
}
