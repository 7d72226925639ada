import { dirname } from 'node:path/posix'
import { SUPERVISOR_PATH } from '../supervisor/protocol.ts'
import type { PackageGroup, RuntimeDefinition } from './definition.ts'
import type { PackageManager } from './package-names.ts'

/** The directory of the supervisor, and of what it needs from the image. */
export const SUPERVISOR_DIR = dirname(SUPERVISOR_PATH)
/** The account databases of the image as it was built; the supervisor's bridge adds the sandbox's own user to a copy of them. */
export const ACCOUNTS_DIR = `${SUPERVISOR_DIR}/etc`
/** Where the bridge writes that copy: on the tmpfs /tmp, in a directory of the bridge's own uid. */
export const LIVE_ACCOUNTS_DIR = '/tmp/.sandbox-etc'
/** nobody: no file of the image is its own. */
const UNPRIVILEGED = '65534:65534'
/** Has a new value in each build of a definition with `cache_image: false`, so that no step comes from the engine's build cache. */
export const FRESH_ARG = 'SANDBOX_BUILD'

/**
 * The Dockerfile of a runtime: the same text for the same definition. Every instruction that takes a value of the definition has
 * the JSON form, in which the builder expands nothing, and hands it to the program as one argument; only setup_commands are meant
 * for a shell.
 */
export function dockerfileOf(definition: RuntimeDefinition, base: string, groups: readonly PackageGroup[]): string {
  const { check } = definition
  return [
    `FROM ${base}`,
    'USER 0:0',
    'WORKDIR /',
    ...(definition.cacheImage ? [] : [`ARG ${FRESH_ARG}`]),
    ...Object.entries(definition.env)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `ENV ${name}=${quoted(value)}`),
    ...groups.map(installStep),
    ...definition.setupCommands.map((command) => run(['/bin/sh', '-euc', command])),
    // Late, so that another supervisor does not mean that all packages are installed again.
    'COPY ["rootfs/","/"]',
    run(['/bin/sh', '-euc', SEAL, 'sh', definition.workDir]),
    `WORKDIR ${definition.workDir}`,
    `USER ${UNPRIVILEGED}`,
    ...(check ? [run(check)] : []),
    `ENTRYPOINT ${json([SUPERVISOR_PATH, 'init'])}`,
    'CMD []',
    '',
  ].join('\n')
}

const INSTALL: Readonly<Record<PackageManager, readonly string[]>> = {
  apt: [
    '/bin/sh',
    '-euc',
    'apt-get update; apt-get install --yes --no-install-recommends -- "$@"; rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*',
    'sh',
  ],
  // The packages of a read-only image cannot clash with later ones of Debian's (PEP 668).
  pip: [
    'env',
    'PIP_BREAK_SYSTEM_PACKAGES=1',
    'PIP_ROOT_USER_ACTION=ignore',
    'python3',
    '-m',
    'pip',
    'install',
    '--no-cache-dir',
    '--',
  ],
  npm: ['npm', 'install', '--global', '--no-audit', '--no-fund', '--no-update-notifier', '--'],
  cargo: ['cargo', 'install', '--root', '/usr/local', '--locked', '--'],
}

function installStep({ manager, packages }: PackageGroup): string {
  return run([...INSTALL[manager], ...packages])
}

/**
 * The last step as root. $1 is the work directory.
 * - set-uid and set-gid bits go: a second wall behind no-new-privileges against su, mount and planted programs.
 * - mount points: the engine gives a new volume the mode of the directory that it covers, so that any uid can write there.
 * - /etc/passwd and /etc/group become links to where the bridge writes them, since the user's uid is known only at run time and
 *   the root is read-only. What the base had is kept for the bridge, without a user of the sandbox's name.
 */
const SEAL = [
  String.raw`find / -xdev \( -type f -o -type d \) -perm /6000 -exec chmod ug-s {} +`,
  'mkdir -p "$1" /tmp',
  'chown 0:0 "$1" /tmp',
  'chmod 1777 "$1" /tmp',
  `mkdir -p ${ACCOUNTS_DIR}`,
  `for file in passwd group; do if [ -f /etc/$file ]; then grep -v '^sandbox:' /etc/$file > ${ACCOUNTS_DIR}/$file || [ $? = 1 ]; else : > ${ACCOUNTS_DIR}/$file; fi; ln -sfn ${LIVE_ACCOUNTS_DIR}/$file /etc/$file; done`,
  'rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/.pwd.lock',
  `chown -R 0:0 ${SUPERVISOR_DIR}`,
  `chmod 0444 ${ACCOUNTS_DIR}/passwd ${ACCOUNTS_DIR}/group`,
  `chmod 0555 ${SUPERVISOR_PATH} ${ACCOUNTS_DIR} ${SUPERVISOR_DIR}`,
].join('; ')

function run(argv: readonly string[]): string {
  return `RUN ${json(argv)}`
}

/** The JSON form on one line. U+2028 and U+2029 are line ends to some readers, and never in a validated value. */
function json(argv: readonly string[]): string {
  return JSON.stringify(argv)
}

/** A value in double quotes, where backslash, quote and dollar are special (docs.docker.com/reference/dockerfile, "Escape", "ENV"). */
function quoted(value: string): string {
  return `"${value.replace(/[\\"$]/g, String.raw`\$&`)}"`
}
