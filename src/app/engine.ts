import type { Config } from '../config/settings.ts'
import { findEngine, systemSources } from '../engine/docker/connect.ts'
import { createDockerEngine } from '../engine/docker/docker-engine.ts'
import type { Engine, EngineInfo } from '../engine/engine.ts'
import { measuredEngine } from '../engine/measured-engine.ts'
import type { Logger } from '../lib/logger.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import type { DiskState } from '../registry/quota/disk-floor.ts'
import { diskOf } from '../registry/quota/local-disk.ts'

/** The configured engine, and what is known of where it is. */
export interface ConnectedEngine {
  readonly engine: Engine
  /** The socket that it answers at on this machine; undefined where it is on another one. */
  readonly socketPath: string | undefined
  /** What it is: asked once, until it has answered. */
  info(): Promise<EngineInfo>
  /** Its disk, as this machine sees it. undefined where its files are not to be seen from here: another machine's, a virtual one's, or outside of our own container. */
  localDisk(): Promise<DiskState | undefined>
}

/** Nothing is asked of the engine yet. */
export function connectEngine(
  config: Config,
  env: NodeJS.ProcessEnv,
  logger: Logger,
  telemetry: Telemetry,
): ConnectedEngine {
  const address = findEngine(systemSources(config.engine || undefined, env))
  const engine = measuredEngine(createDockerEngine({ address, logger }), telemetry)
  const info = remembered(() => engine.info())
  const { socketPath } = address
  return { engine, socketPath, info, localDisk: () => localDisk(socketPath !== undefined, info) }
}

async function localDisk(isLocal: boolean, info: () => Promise<EngineInfo>): Promise<DiskState | undefined> {
  if (!isLocal) return undefined
  try {
    return await diskOf((await info()).rootDir)
  } catch {
    // Seen from a sandbox instead.
    return undefined
  }
}

/** Remembers the first success. */
function remembered(ask: () => Promise<EngineInfo>): () => Promise<EngineInfo> {
  let answer: Promise<EngineInfo> | undefined
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = undefined
      throw error
    })
    return answer
  }
}
