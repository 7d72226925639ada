import * as z from 'zod'
import { formatDuration } from '../lib/units.ts'
import { footerLine } from './render/text.ts'
import { defineTool } from './tool.ts'

const MAX_PACKAGES = 50
const MAX_NAME_LENGTH = 214

export const installPackages = defineTool({
  name: 'install_packages',
  title: 'Install packages',
  description:
    'Install packages with all that they need into /workspace/.local, where they stay: on the path of later commands, across sleep. ' +
    'Look first what the runtime has. Only from the configured index, by name and version ("requests", "numpy<3", "vite@^6"); pip ' +
    'takes wheels alone, npm runs no install scripts, apt unpacks without maintainer scripts. The sandbox itself gets no network.',
  effect: { readOnly: false, destructive: false, idempotent: true, reachesNetwork: 'indexes' },
  input: z.strictObject({
    packages: z.array(z.string().min(1).max(MAX_NAME_LENGTH)).min(1).max(MAX_PACKAGES),
    manager: z.enum(['pip', 'npm', 'apt', 'cargo']).optional().describe("Default: the runtime's."),
    upgrade: z.boolean().default(false),
  }),
  output: z.object({
    manager: z.string(),
    installed: z.array(z.object({ name: z.string(), version: z.string() })),
    log_path: z.string(),
    duration_ms: z.number(),
  }),

  async run(args, { sandbox, signal, onProgress }) {
    const manager = args.manager ?? sandbox.facts.packageManager
    const request = { manager, packages: args.packages, upgrade: args.upgrade }
    const { packages, logPath, durationMs } = await sandbox.packages.install(request, { signal, onProgress })
    return {
      text: packages.map(({ name, version }) => `${name} ${version}`).join('\n'),
      footer: footerLine([`installed with ${manager}`, formatDuration(durationMs), `log ${logPath}`]),
      structured: {
        manager,
        installed: packages.map(({ name, version }) => ({ name, version })),
        log_path: logPath,
        duration_ms: Math.round(durationMs),
      },
    }
  },
})
