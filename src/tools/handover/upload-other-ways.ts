import { SandboxError } from '../../errors/sandbox-error.ts'
import type { UploadGrant } from '../../lib/handover.ts'
import { formatBytes } from '../../lib/units.ts'
import { visibleName } from '../render/file-name.ts'
import { footerLine } from '../render/text.ts'
import type { ToolContext } from '../tool.ts'
import { curlPut } from './curl.ts'

/** What both ways that keep the content away from the model need. */
export type UploadSpec = UploadGrant

/** Gives a one-time URL that the content can be put to. */
export function uploadTicket(spec: UploadSpec, { sandbox, handover }: ToolContext) {
  if (!handover.urls) {
    throw new SandboxError('invalid_argument', 'ticket: this server has no URLs, as it serves over stdio.', {
      hint: handover.host
        ? 'Use host_path.'
        : 'Send content in pieces, or tell the user: host_path takes --host-dir DIRECTORY.',
    })
  }
  const { url, expiresAt } = handover.urls.put({ ...spec, path: sandbox.files.absolute(spec.path) })
  const shown = sandbox.files.shown(spec.path)
  const curl = curlPut(url)
  const expires = expiresAt.toISOString()
  const what = spec.extract === undefined ? 'to put' : `to put a ${spec.extract} archive into`
  return {
    text: `One-time URL ${what} ${visibleName(shown)}, good until ${expires}:\n${curl}`,
    footer: footerLine([visibleName(shown), `until ${expires}`]),
    structured: { path: shown, put_url: url, expires_at: expires, curl },
  }
}

/** Copies a file of the user's machine. */
export async function uploadHostFile(spec: UploadSpec, hostPath: string, { sandbox, handover, signal }: ToolContext) {
  if (!handover.host) {
    throw new SandboxError(
      'permission_denied',
      'host_path: the operator has allowed no directory of the user’s machine.',
      {
        hint: handover.urls
          ? 'Use ticket.'
          : 'Tell the user: it takes --host-dir DIRECTORY (SANDBOX_HOST_DIR). Small files go as content.',
      },
    )
  }
  const { path, sha256, extract, overwrite } = spec
  const { transfer, files } = sandbox
  const { maxBytes } = handover.host
  const source = await handover.host.open(hostPath)
  try {
    const shown = files.shown(path)
    if (extract !== undefined) {
      const extracted = await transfer.extract(source.content, extract, path, { overwrite, sha256, maxBytes }, signal)
      return {
        text: `${extracted.files} files extracted into ${visibleName(shown)}.`,
        footer: footerLine([formatBytes(extracted.bytes)]),
        structured: { path: shown, files_extracted: extracted.files, bytes_extracted: extracted.bytes },
      }
    }
    const mode = overwrite ? ('overwrite' as const) : ('create' as const)
    const written = await transfer.write(path, source.content, { mode, sha256, maxBytes }, signal)
    return {
      text: `${visibleName(shown)} ${written.created ? 'created' : 'overwritten'}.`,
      footer: footerLine([formatBytes(written.bytes), `sha256 ${written.sha256}`]),
      structured: { path: shown, bytes: written.bytes, sha256: written.sha256 },
    }
  } finally {
    await source[Symbol.asyncDispose]()
  }
}
