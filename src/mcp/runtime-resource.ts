import type { ReadResourceResult, Resource } from '@modelcontextprotocol/sdk/types.js'
import type { RuntimeInfo } from '../registry/runtime-info.ts'

export const RUNTIME_URI = 'sandbox://runtime'

/** The one resource: what the sandbox is, before anything is started. */
export const RUNTIME_RESOURCE: Resource = {
  uri: RUNTIME_URI,
  name: 'runtime',
  title: 'The runtime of the sandbox',
  description:
    'Languages, tools and installed packages with their versions, limits, network. Reading it starts nothing.',
  mimeType: 'application/json',
}

/** The resource's content. Versions are as measured in the built image, never as a definition claims them. */
export function readRuntimeResource(info: RuntimeInfo): ReadResourceResult {
  const { contents, limits } = info
  const text = JSON.stringify(
    {
      name: info.name,
      description: info.description,
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
        memory_bytes: limits.memoryBytes,
        cpus: limits.cpus,
        processes: limits.pids,
        tmp_bytes: limits.tmpBytes,
        file_bytes: limits.fileBytes,
        open_files: limits.openFiles,
        command_timeout_s: Math.floor(info.maxTimeoutMs / 1000),
      },
      network: info.network,
      other_runtimes: info.runtimes.filter((name) => name !== info.name),
    },
    undefined,
    2,
  )
  return { contents: [{ uri: RUNTIME_URI, mimeType: 'application/json', text }] }
}
