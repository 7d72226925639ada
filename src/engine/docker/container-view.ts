import * as z from 'zod'
import type { ContainerDetails, ContainerState, ContainerSummary, EffectiveProfile } from '../engine.ts'

/** Docker's Go API gives null for an empty list or map. */
const texts = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? [])
const labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {})

/** One entry of `GET /containers/json`. */
export const ListedContainer = z.object({
  Id: z.string(),
  Names: texts,
  State: z.string(),
  Labels: labels,
  Image: z.string(),
})

/** `GET /containers/{id}/json`, as far as it is used. */
export const InspectedContainer = z.object({
  Id: z.string(),
  Name: z.string(),
  Image: z.string(),
  State: z.object({
    Status: z.string(),
    OOMKilled: z.boolean(),
    ExitCode: z.number(),
    StartedAt: z.string(),
  }),
  Config: z.object({
    Image: z.string(),
    User: z.string(),
    Labels: labels,
    WorkingDir: z.string().default(''),
    Env: texts,
  }),
  HostConfig: z.object({
    Memory: z.number(),
    MemorySwap: z.number(),
    NanoCpus: z.number(),
    PidsLimit: z
      .number()
      .nullish()
      .transform((value) => value ?? 0),
    ReadonlyRootfs: z.boolean(),
    Privileged: z.boolean(),
    CapAdd: texts,
    CapDrop: texts,
    SecurityOpt: texts,
    NetworkMode: z.string(),
    PidMode: z.string(),
    IpcMode: z.string(),
  }),
  Mounts: z.array(
    z.object({
      Type: z.string(),
      Name: z.string().default(''),
      Source: z.string().default(''),
      Destination: z.string(),
      RW: z.boolean(),
      Propagation: z.string().default(''),
    }),
  ),
})

export function toSummary(listed: z.infer<typeof ListedContainer>): ContainerSummary {
  return {
    id: listed.Id,
    name: withoutSlash(listed.Names[0] ?? ''),
    state: toState(listed.State),
    labels: listed.Labels,
    image: listed.Image,
  }
}

export function toDetails(inspected: z.infer<typeof InspectedContainer>): ContainerDetails {
  const { State, Config } = inspected
  const state = toState(State.Status)
  return {
    id: inspected.Id,
    name: withoutSlash(inspected.Name),
    state,
    labels: Config.Labels,
    image: Config.Image,
    imageId: inspected.Image,
    // "0001-01-01T00:00:00Z" is Go's zero time: never started.
    startedAtMs: Math.max(0, Date.parse(State.StartedAt) || 0),
    exitCode: state === 'exited' ? State.ExitCode : undefined,
    oomKilled: State.OOMKilled,
    workDir: Config.WorkingDir,
    env: Config.Env,
    effective: toEffective(inspected),
  }
}

function toEffective({ Config, HostConfig, Mounts }: z.infer<typeof InspectedContainer>): EffectiveProfile {
  return {
    user: Config.User,
    memoryBytes: HostConfig.Memory,
    memorySwapBytes: HostConfig.MemorySwap,
    nanoCpus: HostConfig.NanoCpus,
    pids: HostConfig.PidsLimit,
    readOnlyRoot: HostConfig.ReadonlyRootfs,
    privileged: HostConfig.Privileged,
    capAdd: HostConfig.CapAdd,
    capsDropped: HostConfig.CapDrop.some((name) => /^(CAP_)?ALL$/i.test(name)),
    noNewPrivileges: HostConfig.SecurityOpt.some((option) => /^no-new-privileges([:=]true)?$/.test(option)),
    seccomp: HostConfig.SecurityOpt.some((option) => /^seccomp[:=](?!unconfined$)./s.test(option)),
    networkMode: HostConfig.NetworkMode,
    pidMode: HostConfig.PidMode,
    ipcMode: HostConfig.IpcMode,
    mounts: Mounts.map(({ Type, Name, Source, Destination, RW, Propagation }) => ({
      type: Type,
      name: Type === 'bind' ? Source : Name,
      target: Destination,
      readOnly: !RW,
      ...(Type === 'bind' && { propagation: Propagation }),
    })),
  }
}

/** Docker also knows "restarting" (never here: no restart policy), "removing" and "dead": nothing runs in those. */
function toState(status: string): ContainerState {
  switch (status) {
    case 'created':
    case 'running':
    case 'paused':
      return status
    default:
      return 'exited'
  }
}

function withoutSlash(name: string): string {
  return name.replace(/^\//, '')
}
