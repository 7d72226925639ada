import * as z from 'zod'
import { silentLogger, type Logger } from '../../lib/logger.ts'
import type { Engine, EngineInfo } from '../engine.ts'
import { EngineApi, limitsOf } from './call.ts'
import { dockerContainers } from './containers.ts'
import { dockerodeDial } from './dial.ts'
import type { EngineAddress } from './engine-address.ts'
import { dockerEvents } from './events.ts'
import { dockerImages } from './images.ts'
import { dockerVolumes } from './volumes.ts'

const PING_DEADLINE_MS = 5000
const INFO_DEADLINE_MS = 10_000

const Info = z.object({
  ServerVersion: z.string(),
  OSType: z.string(),
  Architecture: z.string(),
  NCPU: z.number(),
  MemTotal: z.number(),
  SecurityOptions: z.array(z.string()).nullish(),
  Runtimes: z.record(z.string(), z.unknown()).nullish(),
  CgroupVersion: z.string().nullish(),
  MemoryLimit: z.boolean().nullish(),
  SwapLimit: z.boolean().nullish(),
  PidsLimit: z.boolean().nullish(),
  LiveRestoreEnabled: z.boolean().nullish(),
  DockerRootDir: z.string().nullish(),
})
const Version = z.object({
  ApiVersion: z.string(),
  Components: z.array(z.object({ Name: z.string(), Version: z.string() })).nullish(),
})

export interface DockerEngineOptions {
  readonly address: EngineAddress
  readonly logger?: Logger
}

/** An {@link Engine} that is also told where it was found. */
export interface DockerEngine extends Engine {
  readonly driver: 'docker'
  readonly address: EngineAddress
}

/**
 * The driver for Docker and what speaks its API (1.41 and later: Docker 20.10, Podman 4). Makes no connection before the first
 * call, and never fails here: an engine that is down is found out, and comes back, call by call.
 */
export function createDockerEngine({ address, logger = silentLogger }: DockerEngineOptions): DockerEngine {
  const api = new EngineApi(dockerodeDial(address))
  return {
    driver: 'docker',
    address,
    containers: dockerContainers(api),
    volumes: dockerVolumes(api),
    images: dockerImages(api),

    ping: (options) =>
      api.send({
        action: 'answer a ping',
        method: 'GET',
        path: '/_ping',
        limits: limitsOf(options, PING_DEADLINE_MS),
      }),

    async info(options) {
      const limits = limitsOf(options, INFO_DEADLINE_MS)
      const [info, version] = await Promise.all([
        api.json({ action: 'describe itself', method: 'GET', path: '/info', limits }, Info),
        api.json({ action: 'tell its version', method: 'GET', path: '/version', limits }, Version),
      ])
      return toEngineInfo(info, version)
    },

    events: (filter, signal) => dockerEvents(api, filter, signal, logger),

    close() {
      api.close()
      return Promise.resolve()
    },
  }
}

function toEngineInfo(info: z.infer<typeof Info>, version: z.infer<typeof Version>): EngineInfo {
  const security = info.SecurityOptions ?? []
  const has = (name: string): boolean => security.some((option) => option.split(',').includes(`name=${name}`))
  return {
    version: info.ServerVersion,
    apiVersion: version.ApiVersion,
    platform: `${info.OSType}/${ARCHITECTURES[info.Architecture] ?? info.Architecture}`,
    cpus: info.NCPU,
    memoryBytes: info.MemTotal,
    userNamespaces: has('userns') || has('rootless'),
    seccomp: has('seccomp'),
    ociRuntimes: Object.keys(info.Runtimes ?? {}),
    components: Object.fromEntries((version.Components ?? []).map((each) => [each.Name, each.Version])),
    cgroup: {
      version: info.CgroupVersion ?? 'unknown',
      memory: info.MemoryLimit === true,
      swap: info.SwapLimit === true,
      pids: info.PidsLimit === true,
    },
    liveRestore: info.LiveRestoreEnabled === true,
    rootDir: info.DockerRootDir ?? '',
  }
}

/** uname(2) machine names as the image format calls them (GOARCH). */
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' }
