import { dirname } from 'node:path/posix'
import { SUPERVISOR_PATH } from '../supervisor/protocol.ts'
import type { PackageGroup, RuntimeDefinition } from './definition.ts'
import type { PackageManager } from './package-names.ts'

/** The directory of the supervisor, and of what it needs from the image. */
export const SUPERVISOR_DIR = dirname(SUPERVISOR_PATH)
/** Folder of the build context with the steps and the operator's settings, and where the steps find it. */
export const BUILD_DIR = 'build'
export const BUILD_MOUNT = '/run/sandbox-build'
/** Folder of the build context that goes over the base's root. */
export const ROOT_DIR = 'rootfs'
/** Has a new value in each build of a definition with `cache_image: false`, so that no step comes from the engine's build cache. */
export const FRESH_ARG = 'SANDBOX_BUILD'

/** nobody: no file of the image is its own. */
const UNPRIVILEGED = '65534:65534'
/** What a step reads of the context leaves no trace in the image, neither in a layer nor in its history. */
const CONTEXT_MOUNT = `--mount=type=bind,source=${BUILD_DIR},target=${BUILD_MOUNT}`
const NO_TMP = '--mount=type=tmpfs,target=/tmp'
/** What would only make the image larger. Downloads stay in the engine's build cache, for the next build. */
const MANAGER_MOUNTS: Readonly<Record<PackageManager, readonly string[]>> = {
  apt: ['--mount=type=tmpfs,target=/var/cache/apt', '--mount=type=tmpfs,target=/var/lib/apt/lists'],
  pip: ['--mount=type=cache,target=/root/.cache/pip'],
  npm: ['--mount=type=cache,target=/root/.npm'],
  cargo: ['--mount=type=cache,target=/root/.cargo/registry'],
  node: [],
}

/**
 * The Dockerfile of a runtime: the same text for the same definition. Every instruction that takes a value of the definition has
 * the JSON form, in which the builder expands nothing, and hands it to the program as one argument; only setup_commands are meant
 * for a shell.
 */
export function dockerfileOf(definition: RuntimeDefinition, base: string, groups: readonly PackageGroup[]): string {
  const { check, workDir } = definition
  return [
    `FROM ${base}`,
    'USER 0:0',
    'WORKDIR /',
    ...(definition.cacheImage ? [] : [`ARG ${FRESH_ARG}`]),
    ...Object.entries(definition.env)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `ENV ${name}=${quoted(value)}`),
    ...groups.map(({ manager, packages }) => step([manager, ...packages], MANAGER_MOUNTS[manager])),
    ...definition.setupCommands.map((command) => step(['run', command])),
    // Late, so that another supervisor does not mean that all packages are installed again.
    `COPY ${JSON.stringify([`${ROOT_DIR}/`, '/'])}`,
    `RUN ${CONTEXT_MOUNT} ${JSON.stringify(['/bin/sh', `${BUILD_MOUNT}/seal.sh`, workDir])}`,
    `WORKDIR ${workDir}`,
    `USER ${UNPRIVILEGED}`,
    ...(check ? [`RUN ${NO_TMP} ${JSON.stringify(check)}`] : []),
    `ENTRYPOINT ${JSON.stringify([SUPERVISOR_PATH, 'init'])}`,
    'CMD []',
    '',
  ].join('\n')
}

function step(args: readonly string[], mounts: readonly string[] = []): string {
  const argv = JSON.stringify(['/bin/sh', `${BUILD_MOUNT}/step.sh`, ...args])
  return `RUN ${[CONTEXT_MOUNT, NO_TMP, ...mounts].join(' ')} ${argv}`
}

/** `RUN ["/bin/sh","…/step.sh","pip","numpy"]` → "pip numpy"; any other instruction as it is. The text may be cut at its end. */
export function describeInstruction(text: string): string {
  const script = /^RUN (?:--mount=\S+ )*\["\/bin\/sh","\/run\/sandbox-build\/(?:step|(seal))\.sh",(.*)$/.exec(text)
  if (!script) return text
  const [, seal, args = ''] = script
  return seal ?? args.replace(/"\]?$/, '').replaceAll('","', ' ').replace(/^"/, '')
}

/** A value in double quotes, where backslash, quote and dollar are special (docs.docker.com/reference/dockerfile, "Escape", "ENV"). */
function quoted(value: string): string {
  return `"${value.replace(/[\\"$]/g, String.raw`\$&`)}"`
}
