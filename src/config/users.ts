import * as z from 'zod'
import { absolutePath, integer, name, userName } from './fields.ts'
import { LIFE_CYCLE } from './settings/life-cycle.ts'
import { SANDBOX } from './settings/sandbox.ts'

/** Name or id of a container, as engines take it. */
export const containerName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/, 'give the name or the id of a container')

/** What the operator says about one user; whatever is left out is as for everybody. */
const userSettings = z
  .strictObject({
    /** Name of the runtime, in place of the default; what the user chose comes first. */
    runtime: name.optional(),
    /** Left out, `container` means attach and `directory` bind. */
    mode: z.enum(['persistent', 'ephemeral', 'bind', 'attach']).optional(),
    /** bind: directory of this machine. attach: directory inside the container. */
    directory: absolutePath.optional(),
    /** attach: the container that runs already. */
    container: containerName.optional(),
    /** attach: whom the sandbox's commands run as. */
    uid: integer(1, 4_294_967_294).optional(),
    memory: SANDBOX.memory.schema.optional(),
    cpus: SANDBOX.cpus.schema.optional(),
    pids: SANDBOX.pids.schema.optional(),
    workspaceSize: SANDBOX.workspaceSize.schema.optional(),
    idleTimeout: LIFE_CYCLE.idleTimeout.schema.optional(),
  })
  .transform((given) => ({ ...given, mode: given.mode ?? impliedMode(given) }))
  .superRefine((given, context) => {
    for (const message of contradictions(given)) context.addIssue({ code: 'custom', message })
  })

/** Validated settings of one user: sizes in bytes, durations in milliseconds. */
export type UserSettings = z.output<typeof userSettings>

type Given = Pick<UserSettings, 'mode'> & Readonly<Record<string, unknown>>

function impliedMode(given: Readonly<Record<string, unknown>>): 'attach' | 'bind' | undefined {
  if (given['container'] !== undefined) return 'attach'
  return given['directory'] === undefined ? undefined : 'bind'
}

/** What each mode needs, and what would be given in vain with it. */
const NEEDED = { bind: ['directory'], attach: ['container'] } as const
const IN_VAIN = {
  persistent: ['directory', 'container', 'uid'],
  ephemeral: ['directory', 'container', 'uid'],
  // Nothing of ours limits how much is in a directory of the host.
  bind: ['container', 'uid', 'workspaceSize'],
  // The container is the operator's: its image and limits are what they are.
  attach: ['runtime', 'memory', 'cpus', 'pids', 'workspaceSize'],
} as const

function contradictions(given: Given): string[] {
  const mode = given.mode ?? 'persistent'
  const needed: readonly string[] = mode === 'bind' || mode === 'attach' ? NEEDED[mode] : []
  return [
    ...needed.filter((key) => given[key] === undefined).map((key) => `mode ${mode} needs ${key}`),
    ...IN_VAIN[mode].filter((key) => given[key] !== undefined).map((key) => `${key} does not go with mode ${mode}`),
  ]
}

/** Users with their settings: an object in the config file, JSON text elsewhere. */
export const users = z
  .union([z.record(z.string(), z.unknown()), z.string()], 'give an object of users')
  .transform((given, context): unknown => {
    if (typeof given !== 'string') return given
    try {
      return given === '' ? {} : (JSON.parse(given) as unknown)
    } catch {
      context.addIssue({ code: 'custom', message: 'give a JSON object: user → settings' })
      return z.NEVER
    }
  })
  .transform((given, context): ReadonlyMap<string, UserSettings> => {
    const parsed = z.record(userName, userSettings).safeParse(given)
    if (parsed.success) return new Map(Object.entries(parsed.data))
    // Which of many users is wrong, and where.
    for (const { path: at, message } of parsed.error.issues)
      context.addIssue({ code: 'custom', message: `${at.join('.') || '(users)'}: ${message}` })
    return z.NEVER
  })
