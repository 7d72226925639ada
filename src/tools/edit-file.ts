import { setImmediate } from 'node:timers/promises'
import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatVersion, parseVersion } from '../sandbox/files.ts'
import { applyEdit } from './edits/apply-edit.ts'
import { decodeText, encodeText, plainText } from './edits/editable-text.ts'
import * as fields from './fields.ts'
import { shownDiff } from './render/diff.ts'
import { visibleName } from './render/file-name.ts'
import { footerLine } from './render/text.ts'
import { defineTool } from './tool.ts'

/** Edits are made in memory. */
const MAX_FILE_BYTES = 5 * 1024 * 1024
const MAX_EDITS = 100

export const editFile = defineTool({
  name: 'edit_file',
  title: 'Edit a file',
  description:
    'Replace exact text in a text file. Each `old` must occur once (or set replace_all), white space included; edits apply in order, ' +
    'each to the result of the one before. All or nothing. Line ends, encoding and mode are kept: write \\n also for CRLF files. ' +
    'Answers with a diff; on a miss with the nearest text.',
  effect: { readOnly: false, destructive: true, idempotent: false, reachesNetwork: false },
  input: z.strictObject({
    path: fields.path,
    edits: z
      .array(z.strictObject({ old: z.string(), new: z.string(), replace_all: z.boolean().default(false) }))
      .min(1)
      .max(MAX_EDITS),
    dry_run: z.boolean().default(false).describe('Only show the diff.'),
    if_version: z.string().optional(),
  }),
  output: z.object({
    path: z.string(),
    changed: z.boolean(),
    replacements: z.array(z.number()),
    diff: z.string(),
    diff_truncated: z.boolean(),
    lines_added: z.number().optional(),
    lines_removed: z.number().optional(),
    version: z.string(),
  }),

  async run(args, { sandbox, signal }) {
    const path = sandbox.files.shown(args.path)
    const ifVersion = args.if_version === undefined ? undefined : parseVersion(args.if_version)
    const { file, data } = await sandbox.files.readBytes(args.path, MAX_FILE_BYTES, signal)
    if (ifVersion !== undefined && ifVersion !== file.version) {
      throw new SandboxError('stale_version', `${visibleName(path)} has changed since that version.`)
    }
    const before = decodeText(data, visibleName(path))
    let { marked } = before
    const replacements: number[] = []
    for (const [at, edit] of args.edits.entries()) {
      const applied = applyEdit(marked, edit, `edits[${at}]`)
      marked = applied.marked
      replacements.push(applied.replacements)
      // Many edits of a large file take time together: others get their turn, and a cancel its effect.
      await setImmediate(undefined, { signal })
    }
    const after = encodeText({ ...before, marked })
    const changed = !after.equals(data)
    const diff = shownDiff(plainText(before.marked), plainText(marked))
    let { version } = file
    if (changed && !args.dry_run) {
      // What was read is what is replaced: a change by anybody else in between is stale_version, and is not lost.
      const written = await sandbox.files.write(
        args.path,
        after,
        { mode: 'overwrite', ifVersion: file.version },
        signal,
      )
      version = written.version
    }
    const total = replacements.reduce((sum, count) => sum + count, 0)
    const tooLong = '(the diff is too long to be shown)'
    return {
      text: diff?.text === '' ? '(no change)' : (diff?.text ?? tooLong),
      footer: footerLine([
        visibleName(path),
        args.dry_run ? 'dry run, nothing written' : changed ? 'written' : 'unchanged',
        `${total} ${total === 1 ? 'replacement' : 'replacements'}${replacements.length > 1 ? ` (${replacements.join(', ')})` : ''}`,
        diff && `+${diff.added} −${diff.removed} lines`,
        `version ${formatVersion(version)}`,
      ]),
      structured: {
        path,
        changed: changed && !args.dry_run,
        replacements,
        diff: diff?.text ?? '',
        diff_truncated: diff?.truncated ?? true,
        ...(diff ? { lines_added: diff.added, lines_removed: diff.removed } : {}),
        version: formatVersion(version),
      },
    }
  },
})
