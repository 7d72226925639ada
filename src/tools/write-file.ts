import * as z from 'zod'
import { formatBytes } from '../lib/units.ts'
import { makeVisible } from '../lib/visible-text.ts'
import { formatVersion, parseVersion } from '../sandbox/files.ts'
import { contentBytes } from './content.ts'
import * as fields from './fields.ts'
import { footerLine } from './render/text.ts'
import { defineTool } from './tool.ts'

export const writeFile = defineTool({
  name: 'write_file',
  title: 'Write a file',
  description:
    'Write a file, parents included. Atomic: after any failure the old content is there whole. mode=create refuses to overwrite. ' +
    'With if_version (from read_file) it refuses when the file has changed since.',
  // Not idempotent: mode=append adds again.
  effect: { readOnly: false, destructive: true, idempotent: false, reachesNetwork: false },
  input: z.strictObject({
    path: fields.path,
    content: z.string(),
    mode: z.enum(['overwrite', 'create', 'append']).default('overwrite'),
    encoding: fields.encoding,
    if_version: z.string().optional(),
    executable: z.boolean().default(false),
  }),
  output: z.object({
    path: z.string(),
    bytes: z.number(),
    action: z.enum(['created', 'overwritten', 'appended']),
    size: z.number(),
    version: z.string(),
  }),

  async run(args, { sandbox, signal }) {
    const data = contentBytes(args.content, args.encoding)
    const ifVersion = args.if_version === undefined ? {} : { ifVersion: parseVersion(args.if_version) }
    const write = { mode: args.mode, executable: args.executable, ...ifVersion }
    const written = await sandbox.files.write(args.path, data, write, signal)
    const path = sandbox.files.shown(args.path)
    const change = args.mode === 'append' ? ('appended' as const) : ('overwritten' as const)
    const action = written.created ? ('created' as const) : change
    const version = formatVersion(written.version)
    return {
      text: `${makeVisible(path)} ${action}: ${formatBytes(data.length)} written.`,
      footer: footerLine([`${formatBytes(written.sizeBytes)} in all`, `version ${version}`]),
      structured: { path, bytes: data.length, action, size: written.sizeBytes, version },
    }
  },
})
