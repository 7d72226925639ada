import { posix } from 'node:path'
import type { HandoverUrls } from '../../lib/handover.ts'
import { formatBytes } from '../../lib/units.ts'
import { visibleName } from '../render/file-name.ts'
import { footerLine } from '../render/text.ts'
import type { ToolContext } from '../tool.ts'
import { curlGet } from './curl.ts'
import { digestFile } from './digest-file.ts'

/** What is to be downloaded. */
export interface Wanted {
  /** As the caller wrote it. */
  readonly path: string
  readonly isDirectory: boolean
}

/** Gives a one-time URL for a file in its present state, or for a directory in that of the moment of the download. */
export async function downloadUrl(
  urls: HandoverUrls,
  { path, isDirectory }: Wanted,
  ttlMs: number | undefined,
  { sandbox, signal, onProgress }: ToolContext,
) {
  const file = isDirectory ? undefined : await digestFile(sandbox, path, { signal, onProgress })
  const grant = {
    path: sandbox.files.absolute(path),
    kind: isDirectory ? ('directory' as const) : ('file' as const),
    version: file?.version,
    sha256: file?.sha256,
  }
  const { url, expiresAt } = urls.get(grant, ttlMs ?? urls.maxTtlMs)
  const shown = sandbox.files.shown(path)
  const curl = curlGet(url, downloadName(sandbox.files.absolute(path), isDirectory))
  const expires = expiresAt.toISOString()
  return {
    text: `One-time URL of ${visibleName(shown)}${isDirectory ? ' as tar.gz' : ''}, good until ${expires}:\n${curl}`,
    footer: footerLine([
      visibleName(shown),
      file && formatBytes(file.bytes),
      file && `sha256 ${file.sha256}`,
      `until ${expires}`,
    ]),
    structured: {
      path: shown,
      ...(file && { bytes: file.bytes, sha256: file.sha256 }),
      get_url: url,
      expires_at: expires,
      curl,
    },
  }
}

/** The name under which a path is saved elsewhere: its last part, of printable characters. */
export function downloadName(absolute: string, isDirectory: boolean): string {
  const name = posix.basename(absolute).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '_') || 'root'
  return isDirectory ? `${name}.tar.gz` : name
}
