import * as z from 'zod'
import { bytes, decimal, driverOptions, integer } from '../fields.ts'
import type { Settings } from './setting.ts'

/** What can be done in a sandbox: its tools, its network, its limits. */
export const SANDBOX = {
  tools: {
    schema: z.enum(['core', 'code', 'all']),
    fallback: 'all',
    about:
      'Tools that models are given: core (commands, processes, files), code (and edit, search, run, check), or all.',
  },
  network: {
    schema: z.enum(['none', 'bridge']),
    fallback: 'none',
    about: 'Network of the sandboxes. bridge gives them the whole network of the engine, also the host’s own services.',
  },
  installNetwork: {
    schema: z.enum(['none', 'bridge', 'host']),
    fallback: 'none',
    about:
      'Network for install_packages alone: that of the engine’s containers, the host’s own, or none. A container that holds nothing of ' +
      'a user downloads from the configured indexes; the sandboxes themselves gain no network.',
  },
  installSize: {
    schema: bytes(1024 ** 2),
    fallback: '512MiB',
    about: 'Most that one call of install_packages may download; it is held in memory meanwhile.',
  },
  memory: { schema: bytes(16 * 1024 ** 2), fallback: '512MiB', about: 'Memory of one sandbox, swap included.' },
  cpus: { schema: decimal(z.number().min(0.1).max(1024)), fallback: 1, about: 'CPUs’ worth of time of one sandbox.' },
  pids: { schema: integer(64, 32_768), fallback: 256, about: 'Processes and threads of one sandbox.' },
  tmpSize: { schema: bytes(1024 ** 2), fallback: '64MiB', about: 'Size of /tmp; counts as memory.' },
  fileSize: { schema: bytes(1024 ** 2), fallback: '1GiB', about: 'Largest single file.' },
  workspaceSize: {
    schema: bytes(0),
    fallback: '10GiB',
    about:
      'Most that the workspace of one sandbox may hold. 0 = as much as the disk has. Held by the kernel with volumeOptions, else watched.',
  },
  workspaceFiles: {
    schema: integer(0, 5_000_000),
    fallback: 1_000_000,
    about: 'Most files and directories of one workspace. 0 = as many as the disk takes.',
  },
  volumeOptions: {
    schema: driverOptions,
    fallback: '',
    about:
      'Options of the engine’s volume driver for new workspaces, which let the kernel hold their size: key=value, separated by spaces (an ' +
      'object in the config file), with {size}, {files}, {uid} and {name} filled in.',
  },
  diskFloor: {
    schema: bytes(0),
    fallback: '1GiB',
    about: 'Space on the engine’s disk that is kept free: below it users’ writes are refused. 0 = none.',
  },
  openFiles: { schema: integer(64, 1_048_576), fallback: 1024, about: 'Open files per process.' },
  ociRuntime: {
    schema: z.string().regex(/^[A-Za-z0-9._-]*$/, 'use the name of a runtime of the engine'),
    fallback: '',
    about: 'Another OCI runtime of the engine, for instance runsc (gVisor). Empty: the engine’s default.',
  },
} as const satisfies Settings
