import type { Caller } from '../registry/caller.ts'
import type { RuntimeInfo } from '../registry/runtime-info.ts'
import type { ResourceProvider } from './resources.ts'

export const RUNTIME_URI = 'sandbox://runtime'

/** What the caller's sandbox is made of, told before anything is started: one resource. */
export function runtimeResource(runtimeOf: (user: string) => Promise<RuntimeInfo>): ResourceProvider {
  return {
    templates: [],
    list: () =>
      Promise.resolve([
        {
          uri: RUNTIME_URI,
          name: 'runtime',
          title: 'The runtime of the sandbox',
          description:
            'Languages, tools and installed packages with their versions, limits, network. Reading it starts nothing.',
          mimeType: 'application/json',
        },
      ]),
    async read({ user }: Caller, uri) {
      if (uri !== RUNTIME_URI) return undefined
      return [{ uri, mimeType: 'application/json', text: describe(await runtimeOf(user)) }]
    },
  }
}

/** Versions are as measured in the built image, never as a definition claims them. */
function describe(info: RuntimeInfo): string {
  const { contents, limits } = info
  return JSON.stringify(
    {
      name: info.name,
      description: info.description,
      mode: info.mode,
      working_directory: info.workspace,
      image: info.image,
      os: contents?.os ?? null,
      programs: contents?.programs ?? null,
      packages: contents?.packages ?? null,
      packages_note: contents
        ? 'Use these directly, without installing.'
        : 'Not known: the image was not measured, or is not there yet. Ask with shell_exec.',
      install_packages: {
        default_manager: info.packageManager,
        can_download: info.installs,
      },
      limits: {
        ...(limits && {
          memory_bytes: limits.memoryBytes,
          cpus: limits.cpus,
          processes: limits.pids,
          tmp_bytes: limits.tmpBytes,
          file_bytes: limits.fileBytes,
          open_files: limits.openFiles,
        }),
        command_timeout_s: Math.floor(info.maxTimeoutMs / 1000),
      },
      network: info.network,
      other_runtimes: info.runtimes.filter((name) => name !== info.name),
    },
    undefined,
    2,
  )
}
