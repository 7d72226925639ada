import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import * as fields from './fields.ts'
import { downloadToHost } from './handover/download-to-host.ts'
import { downloadUrl } from './handover/download-url.ts'
import { defineTool } from './tool.ts'

const MAX_TTL_S = 86_400

export const download = defineTool({
  name: 'download',
  title: 'Download a file',
  description:
    'Hand a file, or a directory as tar.gz, to the user without reading it yourself: a one-time URL with its curl line (HTTP), or a copy in ' +
    "the allowed directory of the user's machine (stdio). To see a file use read_file.",
  effect: { readOnly: false, destructive: false, idempotent: false, reachesNetwork: false },
  input: z.strictObject({
    path: fields.path,
    ttl_s: z.int().min(1).max(MAX_TTL_S).optional(),
  }),
  output: z.object({
    path: z.string(),
    bytes: z.number().optional(),
    sha256: z.string().optional(),
    get_url: z.string().optional(),
    expires_at: z.string().optional(),
    curl: z.string().optional(),
    host_path: z.string().optional(),
  }),

  async run(args, context) {
    const { sandbox, handover, signal } = context
    if (!handover.urls && !handover.host) throw noWayOut()
    const { type } = await sandbox.files.stat(args.path, signal)
    if (type !== 'file' && type !== 'directory') {
      throw new SandboxError('not_a_file', `${sandbox.files.shown(args.path)} is not a regular file or a directory.`)
    }
    const wanted = { path: args.path, isDirectory: type === 'directory' }
    if (handover.host) return downloadToHost(handover.host, wanted, context)
    if (handover.urls) return downloadUrl(handover.urls, wanted, args.ttl_s && args.ttl_s * 1000, context)
    throw noWayOut()
  },
})

function noWayOut(): SandboxError {
  return new SandboxError('permission_denied', 'The operator has allowed no directory of the user’s machine.', {
    hint: 'Tell the user: it takes --host-dir DIRECTORY (SANDBOX_HOST_DIR), or a server over HTTP. read_file with as=base64 shows small files.',
  })
}
