import { constants } from 'node:os'
import type { ErrorCode } from '../errors/codes.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { oneLine } from '../lib/visible-text.ts'
import { WireError } from '../supervisor/errors.ts'
import type { WireErrorName } from '../supervisor/protocol.ts'

type Fault = readonly [code: ErrorCode, message: (path: string) => string, hint?: string]

/** A hold that outlasts the waiting for it: nothing was done. */
const QUIESCING: Fault = ['sandbox_starting', () => 'The sandbox is being put to sleep by another server.']

const RESOURCES_HINT = 'End processes with process_write (signal kill), then try again.'

const FILE_FAULTS: Partial<Record<WireErrorName, Fault>> = {
  not_found: ['not_found', (path) => `${path} does not exist.`],
  exists: ['already_exists', (path) => `${path} exists already.`],
  is_directory: ['is_directory', (path) => `${path} is a directory.`],
  not_a_directory: ['not_found', (path) => `${path}: a part of the path is a file, not a directory.`],
  not_regular: ['not_a_file', (path) => `${path} is not a regular file (a pipe, socket or device).`],
  permission: ['permission_denied', (path) => `No permission for ${path}.`],
  read_only: ['permission_denied', (path) => `${path} is on the read-only part of the sandbox.`],
  no_space: ['disk_full', (path) => `No space is left for ${path}.`],
  too_large: ['too_large', (path) => `${path} would exceed the largest size of a file.`],
  stale_version: ['stale_version', (path) => `${path} has changed since that version.`],
  loop: ['invalid_argument', (path) => `${path} goes through too many symbolic links.`],
  name_too_long: ['invalid_argument', (path) => `${path} is too long.`],
  busy: ['permission_denied', (path) => `${path} is in use by the sandbox itself and cannot be removed.`],
  not_empty: ['already_exists', (path) => `${path} is not empty.`],
  resources: ['sandbox_limit', () => 'The sandbox has no memory or no process slot left.', RESOURCES_HINT],
  quiescing: QUIESCING,
}

const COMMAND_FAULTS: Partial<Record<WireErrorName, Fault>> = {
  no_command: [
    'not_found',
    (id) => `No process ${id}.`,
    'List yours with process_read without process_id. A restart of the sandbox ends all of them.',
  ],
  no_shell: [
    'image_unavailable',
    () => 'The runtime has no shell (/bin/bash or /bin/sh).',
    'Use a runtime that has one.',
  ],
  not_found: [
    'not_found',
    (program) => `${program}: no such program.`,
    'Check the name; `command -v NAME` shows what is there.',
  ],
  permission: ['permission_denied', (program) => `${program} cannot be executed.`],
  exec_failed: [
    'invalid_argument',
    (program) => `${program} could not be executed.`,
    'Check that it is a program for this machine, or a script with a valid #! line.',
  ],
  bad_cwd: [
    'not_found',
    () => 'The working directory (cwd) does not exist or cannot be entered.',
    'Create it first, or leave cwd out.',
  ],
  resources: ['sandbox_limit', () => 'The sandbox has no memory or no process slot left.', RESOURCES_HINT],
  no_space: [
    'disk_full',
    () => 'No space is left for the command.',
    'Delete files in /workspace or /tmp that are not needed, then try again.',
  ],
  too_many: [
    'sandbox_limit',
    () => 'Too many commands run at once in this sandbox.',
    'End some with process_write, then try again.',
  ],
  args_too_long: [
    'too_large',
    () => 'The command and its environment are too long.',
    'Write a script with write_file and run that.',
  ],
  stdin_closed: [
    'invalid_argument',
    (id) => `The standard input of ${id} is closed.`,
    'Start the command with wait_s 0 to keep its input open.',
  ],
  stdin_full: [
    'sandbox_limit',
    (id) => `${id} does not read its input: 1 MiB is waiting.`,
    'Wait until it reads, or end it.',
  ],
  expired: [
    'not_found',
    (id) => `The output of ${id} is no longer kept.`,
    'Run the command again, with its output in a file.',
  ],
  quiescing: QUIESCING,
}

/** The typed error for an ERROR frame that answers a file request on `path` (as the caller wrote it). Other errors pass through. */
export function fileFault(error: unknown, path: string): unknown {
  return fault(error, FILE_FAULTS, oneLine(path))
}

/** The typed error for an ERROR frame that answers a request about a command or process. */
export function commandFault(error: unknown, subject: string): unknown {
  return fault(error, COMMAND_FAULTS, oneLine(subject, 80))
}

/** True when a command could not be started because there is no program of its name. */
export function isMissingProgram(error: unknown): boolean {
  return error instanceof SandboxError && error.cause instanceof WireError && error.cause.code === 'not_found'
}

function fault(error: unknown, table: Partial<Record<WireErrorName, Fault>>, subject: string): unknown {
  if (!(error instanceof WireError)) return error
  const [code, message, hint] =
    table[error.code] ?? (['internal', () => `The sandbox could not do it (${error.code}).`] as const)
  const options = { cause: error, details: { errno: errnoName(error.errno) } }
  return new SandboxError(code, message(subject), hint === undefined ? options : { ...options, hint })
}

function errnoName(errno: number): string {
  const entry = Object.entries(constants.errno).find(([, value]) => value === errno)
  return entry?.[0] ?? String(errno)
}
