import * as z from 'zod'
import { absolutePath, name, orEmpty, pairs, truth, userName } from '../fields.ts'
import { containerName, users } from '../users.ts'
import type { Settings } from './setting.ts'

/** Runtimes by user: an object in the config file, "alice=polyglot,bob=node-minimal" elsewhere. */
const runtimesByUser = z
  .union([z.record(z.string(), z.string()), z.string()])
  .transform((given) => (typeof given === 'string' ? pairs(given) : Object.entries(given)))
  .pipe(z.array(z.tuple([userName, name], 'write each as user=runtime')))
  .transform((entries): ReadonlyMap<string, string> => new Map(entries))

/** Which sandbox a user has: its runtime, how it lives, and on which engine. */
export const ASSIGNMENT = {
  runtime: { schema: name, fallback: 'python-minimal', about: 'Name of the runtime of new sandboxes.' },
  runtimes: {
    schema: runtimesByUser,
    fallback: '',
    about:
      'Runtimes of single users, in place of the default: user=runtime, separated by commas (an object in the config file). What a ' +
      'user chose with sandbox_manage comes first.',
  },
  mode: {
    schema: z.enum(['persistent', 'ephemeral']),
    fallback: 'persistent',
    about:
      'How sandboxes live, where neither the user’s settings nor the runtime’s definition say: persistent (a container that stays between ' +
      'calls) or ephemeral (a fresh one for every call, over the same files).',
  },
  workspace: {
    schema: orEmpty(absolutePath),
    fallback: '',
    about:
      'Directory of this machine that is the workspace of --user, in place of a volume (mode bind, for development); with --attach a ' +
      'directory inside that container.',
  },
  attach: {
    schema: orEmpty(containerName),
    fallback: '',
    about:
      'A container that runs already, which --user works in (mode attach). It is never stopped or removed; its protections are its own.',
  },
  httpBind: {
    schema: truth,
    fallback: '',
    isSwitch: true,
    about: 'Allows users over HTTP whose workspace is a directory of this machine (mode bind).',
  },
  users: {
    schema: users,
    fallback: '',
    about:
      'Settings of single users: an object in the config file (JSON text elsewhere), user → runtime, mode, directory, container, uid, ' +
      'memory, cpus, pids, workspaceSize, idleTimeout.',
  },
  installation: {
    schema: name,
    fallback: 'default',
    about: 'Separates the sandboxes of several installations on one engine.',
  },
  engine: {
    schema: z.string(),
    fallback: '',
    about:
      'Address of the container engine (unix://, tcp://, ssh://). Empty: DOCKER_HOST, the docker context, the usual sockets.',
  },
} as const satisfies Settings
