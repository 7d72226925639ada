import type { LeaseNotice } from '../registry/lease.ts'
import type { AnyOutcome } from '../tools/tool.ts'
import type { CallResult } from './protocol.ts'

/** Where the notice stands in the structured form. */
export const NOTICE_FIELD = 'notice'

const NOTICES: Readonly<Record<LeaseNotice, string>> = {
  created: 'sandbox created',
  thawed: 'sandbox thawed: files and processes as they were',
  resumed: 'sandbox resumed: files kept, processes lost',
  recreated: 'sandbox recreated: files in /workspace kept, processes lost',
}

/**
 * An outcome as MCP gives it. With a structured form there are two text blocks: clients that pass a lone block on as JSON would show
 * everything twice. No `_meta`, for the same reason. A notice stands in both forms, because clients show one or the other.
 */
export function toResult(outcome: AnyOutcome, notice: LeaseNotice | undefined): CallResult {
  const { text, footer, images = [], structured } = outcome
  const content: CallResult['content'] = [{ type: 'text', text: withNotice(text, notice) }]
  if (footer !== undefined) content.push({ type: 'text', text: footer })
  for (const image of images) content.push({ type: 'image', data: image.base64, mimeType: image.mimeType })
  if (structured === undefined) return { content }
  return { content, structuredContent: notice ? { ...structured, [NOTICE_FIELD]: NOTICES[notice] } : structured }
}

/** A failure, told to the model. It has no structured form: that would have to match the tool's output schema. */
export function toErrorResult(message: string, notice: LeaseNotice | undefined): CallResult {
  return { content: [{ type: 'text', text: withNotice(message, notice) }], isError: true }
}

function withNotice(text: string, notice: LeaseNotice | undefined): string {
  return notice ? `[${NOTICES[notice]}]\n${text}` : text
}
