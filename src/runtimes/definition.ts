import * as z from 'zod'
import type { ContainerLimits } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { parseBytes } from '../lib/units.ts'
import { PACKAGE_MANAGERS, packageFault, type PackageManager } from './package-names.ts'

/** Nothing that ends a line of a Dockerfile, or that a terminal would obey. */
const NO_CONTROLS = /^[^\p{Cc}\u2028\u2029]*$/u
/** [registry[:port]/]path[:tag][@digest] (github.com/distribution/reference). */
const IMAGE_REFERENCE =
  /^(?:[a-zA-Z0-9.-]+(?::\d{1,5})?\/)?[a-z0-9]+(?:(?:\.|_|__|-+|\/)[a-z0-9]+)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/
/** Directories of the system, where a volume would hide programs. */
const SYSTEM_DIRS = [
  'bin',
  'boot',
  'dev',
  'etc',
  'lib',
  'lib32',
  'lib64',
  'opt',
  'proc',
  'root',
  'run',
  'sbin',
  'sys',
  'tmp',
  'usr',
  'var',
]
/** Set by the server or the loader for every command; a definition that changed them would change what the server relies on. */
const RESERVED_VARIABLE = /^(?:HOME|USER|LOGNAME|LD_.*|SANDBOX_.*)$/

export const runtimeName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'use lower-case letters, digits, ".", "_" and "-" (at most 63)')
  .describe('Name of the runtime: the operator’s settings and the image’s tag use it.')

const line = (maxLength: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(maxLength)
    .regex(NO_CONTROLS, 'must be one line without control characters')

const imageReference = z.string().max(255).regex(IMAGE_REFERENCE, 'give an image reference such as "python:3.12-slim"')

const size = (minBytes: number) => {
  const error = `give a size of at least ${minBytes} bytes, such as "512MiB"`
  const text = z.string().refine((value) => (parseBytes(value) ?? 0) >= minBytes, { error })
  return z.union([z.int().min(minBytes, { error }), text], { error })
}

const packageGroup = z
  .strictObject({
    package_manager: z.enum(PACKAGE_MANAGERS),
    packages: z.array(z.string()).min(1).max(500),
  })
  .superRefine((group, context) => {
    for (const [index, name] of group.packages.entries()) {
      const fault = packageFault(group.package_manager, name)
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault, path: ['packages', index] })
    }
  })
  .describe('Packages that one package manager installs.')

const limits = z
  .strictObject({
    memory: size(16 * 1024 ** 2).describe('Memory, swap included.'),
    cpus: z.number().min(0.1).max(1024).describe('CPUs’ worth of time.'),
    pids: z.int().min(64).max(32_768).describe('Processes and threads.'),
    tmp_size: size(1024 ** 2).describe('Size of /tmp; counts as memory.'),
    file_size: size(1024 ** 2).describe('Largest single file.'),
    open_files: z.int().min(64).max(1_048_576).describe('Open files per process.'),
  })
  .partial()
  .describe('Limits of a sandbox of this runtime, in place of the server’s.')

/** The shape of a runtime.json file. Strict: a misspelt field is an error. */
export const runtimeSchema = z
  .strictObject({
    $schema: z.string().optional(),
    name: runtimeName,
    description: line(300).describe('One sentence for people and models.'),
    image: imageReference.optional().describe('A ready-made image: only the supervisor is added. Excludes base_image.'),
    base_image: imageReference.optional().describe('The image to build from.'),
    fallback: z
      .strictObject({
        base_image: imageReference.describe(
          'Used when base_image is neither on the engine nor in a registry that answers.',
        ),
        packages: z.array(packageGroup).max(20).default([]).describe('What this base lacks; installed first.'),
      })
      .optional(),
    packages: z.array(packageGroup).max(20).default([]).describe('Installed in this order.'),
    setup_commands: z
      .array(line(8192))
      .max(100)
      .default([])
      .describe(
        'Run by /bin/sh -eu as root, after the packages, each as one step. What they leave in /tmp is not kept.',
      ),
    env_vars: z
      .record(
        z
          .string()
          .regex(/^[A-Za-z_]\w{0,127}$/, 'use letters, digits and "_"')
          .refine((key) => !RESERVED_VARIABLE.test(key), { error: 'is set by the server' }),
        z.string().max(8192).regex(NO_CONTROLS, 'must be one line without control characters'),
      )
      .default({})
      .describe('Environment of the build and of every command.'),
    work_dir: z
      .string()
      .regex(/^\/[A-Za-z0-9_-]{1,64}$/, 'give a directory directly under "/", such as "/workspace"')
      .refine((path) => !SYSTEM_DIRS.includes(path.slice(1)), {
        error: 'a directory of the system cannot be the workspace',
      })
      .default('/workspace')
      .describe('Where the workspace is mounted.'),
    default_manager: z
      .enum(['pip', 'npm', 'apt', 'cargo'])
      .optional()
      .describe('What install_packages uses when the caller names nothing else; pip if absent.'),
    cache_image: z.boolean().default(true).describe('false: build anew whenever the server starts.'),
    limits: limits.optional(),
    mode: z
      .enum(['persistent', 'ephemeral'])
      .optional()
      .describe('How its sandboxes live, in place of the server’s setting; what is set for a user comes first.'),
    network: z
      .enum(['none', 'bridge'])
      .optional()
      .describe('Network of the sandboxes, in place of the server’s setting.'),
    oci_runtime: z
      .string()
      .regex(/^[A-Za-z0-9._-]+$/, 'use the name of a runtime of the engine')
      .optional()
      .describe('For instance runsc.'),
    check: z
      .array(line(8192))
      .min(1)
      .max(100)
      .optional()
      .describe(
        'A command (argv) that must succeed in the finished image, run as an unprivileged user. The build fails when it does.',
      ),
  })
  .superRefine((definition, context) => {
    const { image, base_image: base } = definition
    if ((image === undefined) === (base === undefined)) {
      context.addIssue({ code: 'custom', message: 'give either image or base_image', path: ['base_image'] })
    }
    if (image === undefined) return
    for (const field of ['packages', 'setup_commands'] as const) {
      if (definition[field].length > 0)
        context.addIssue({
          code: 'custom',
          message: 'a ready-made image is used as it is: use base_image to add to it',
          path: [field],
        })
    }
    if (definition.fallback)
      context.addIssue({
        code: 'custom',
        message: 'a ready-made image has no fallback: use base_image',
        path: ['fallback'],
      })
  })

type Parsed = z.output<typeof runtimeSchema>

export interface PackageGroup {
  readonly manager: PackageManager
  readonly packages: readonly string[]
}

/** What an image is built from, in one of the two ways that a definition may name. */
export interface BaseChoice {
  readonly reference: string
  readonly packages: readonly PackageGroup[]
}

/** A validated runtime definition. */
export interface RuntimeDefinition {
  readonly name: string
  readonly description: string
  readonly base: BaseChoice
  /** Taken when `base` is not to be had. Its packages are all that have to be installed on it. */
  readonly fallback?: BaseChoice
  readonly setupCommands: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workDir: string
  readonly cacheImage: boolean
  readonly packageManager?: 'pip' | 'npm' | 'apt' | 'cargo'
  readonly limits?: Partial<ContainerLimits>
  readonly mode?: 'persistent' | 'ephemeral'
  readonly network?: 'none' | 'bridge'
  readonly ociRuntime?: string
  readonly check?: readonly string[]
}

/**
 * Checks the content of a runtime.json. `origin` (its file) stands in the error: `config_invalid`, one line for each field that is
 * wrong, with what to write instead.
 */
export function parseDefinition(content: unknown, origin: string): RuntimeDefinition {
  const parsed = runtimeSchema.safeParse(content)
  if (parsed.success) return toDefinition(parsed.data)
  const problems = parsed.error.issues.map(
    (issue) => `${origin}: ${issue.path.join('.') || '(file)'}: ${reason(issue)}`,
  )
  throw new SandboxError('config_invalid', problems.join('\n'), { hint: 'Correct the runtime definition.' })
}

/** A key that is wrong is told by its own rule, not as "invalid key". */
function reason(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? issue.issues.map(({ message }) => message).join('; ') : issue.message
}

function toDefinition(parsed: Parsed): RuntimeDefinition {
  const packages = groups(parsed.packages)
  const { fallback } = parsed
  return {
    name: parsed.name,
    description: parsed.description,
    // The schema lets exactly one of the two through.
    base: { reference: parsed.image ?? parsed.base_image ?? '', packages },
    ...(fallback && {
      fallback: { reference: fallback.base_image, packages: [...groups(fallback.packages), ...packages] },
    }),
    setupCommands: parsed.setup_commands,
    env: parsed.env_vars,
    workDir: parsed.work_dir,
    cacheImage: parsed.cache_image,
    ...(parsed.default_manager && { packageManager: parsed.default_manager }),
    ...(parsed.limits && { limits: toLimits(parsed.limits) }),
    ...(parsed.mode && { mode: parsed.mode }),
    ...(parsed.network && { network: parsed.network }),
    ...(parsed.oci_runtime && { ociRuntime: parsed.oci_runtime }),
    ...(parsed.check && { check: parsed.check }),
  }
}

function groups(parsed: Parsed['packages']): PackageGroup[] {
  return parsed.map((group) => ({ manager: group.package_manager, packages: group.packages }))
}

function toLimits(parsed: NonNullable<Parsed['limits']>): Partial<ContainerLimits> {
  const entries: [keyof ContainerLimits, number | undefined][] = [
    ['memoryBytes', bytes(parsed.memory)],
    ['cpus', parsed.cpus],
    ['pids', parsed.pids],
    ['tmpBytes', bytes(parsed.tmp_size)],
    ['fileBytes', bytes(parsed.file_size)],
    ['openFiles', parsed.open_files],
  ]
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

function bytes(value: number | string | undefined): number | undefined {
  return typeof value === 'string' ? parseBytes(value) : value
}
