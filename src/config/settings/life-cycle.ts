import * as z from 'zod'
import { bytes, duration, integer, name, pairs } from '../fields.ts'
import type { Settings } from './setting.ts'

/** A number, or numbers by runtime: an object in the config file, "python-minimal=3,node-minimal=1" elsewhere. Nothing: as the transport needs it. */
const countsByRuntime = z
  .union([z.number(), z.string(), z.record(z.string(), z.union([z.number(), z.string()]))])
  .transform((given): unknown => {
    if (given === '') return undefined
    if (typeof given === 'number' || (typeof given === 'string' && /^\d+$/.test(given))) return Number(given)
    return (typeof given === 'string' ? pairs(given) : Object.entries(given)).map(([of, count]) => [of, Number(count)])
  })
  .pipe(
    z.union(
      [z.undefined(), z.number().int().min(0).max(1000), z.array(z.tuple([name, z.number().int().min(0).max(1000)]))],
      'give a number of at most 1000, or write each as runtime=number',
    ),
  )
  .transform((given): number | ReadonlyMap<string, number> | undefined =>
    Array.isArray(given) ? new Map(given) : given,
  )

/** When sandboxes are made, frozen, evicted and archived, and how many there may be. */
export const LIFE_CYCLE = {
  freezeAfter: {
    schema: duration(0),
    fallback: '0',
    about:
      'Idle time after which a sandbox is frozen: its processes stand still, and the next call thaws them. 0 = never: that saves the CPU ' +
      'time of what users left running, and no memory.',
  },
  idleTimeout: {
    schema: duration(0),
    fallback: '30m',
    about: 'Idle time after which a sandbox is evicted: its container goes, its files stay. 0 = never.',
  },
  archiveAfter: {
    schema: duration(0),
    fallback: '0',
    about:
      'How long an evicted sandbox sleeps before its files are archived: backed up, verified, and removed from the engine. The next call ' +
      'brings them back. 0 = never.',
  },
  onExit: {
    schema: z.enum(['keep', 'evict']),
    fallback: 'keep',
    about: 'What happens to idle sandboxes when the server ends: keep them for the next one, or evict them.',
  },
  maxTimeout: { schema: duration(1000), fallback: '1h', about: 'Largest timeout_s that a command may ask for.' },
  maxRunning: {
    schema: integer(1, 100_000),
    fallback: 200,
    about:
      'Sandboxes of this server that may run at once, frozen ones included. For a further one the one that was idle longest is evicted; ' +
      'where none is idle the call waits for the queue timeout.',
  },
  maxSandboxes: {
    schema: integer(0, 1_000_000),
    fallback: 0,
    about:
      'Users of this installation who may have a sandbox at all, sleeping and archived ones included. 0 = any number.',
  },
  poolSize: {
    schema: countsByRuntime,
    fallback: '',
    about:
      'Sandboxes that run before their user is known, so that a new user waits for none: a number of the default runtime, or runtime=number, ' +
      'separated by commas (an object in the config file). They give way to users at maxRunning and when memory is short. Empty: 2 over HTTP, none over stdio.',
  },
  prewarm: {
    schema: z.enum(['never', 'returning', 'always']),
    fallback: 'returning',
    about:
      'Whose sandbox is made ready in the background when a client connects: nobody’s, of users who have a workspace already, or everybody’s. It costs the ' +
      'memory of a sandbox that may stay unused until the idle timeout, and never the place of one that is wanted.',
  },
  memoryFloor: {
    schema: bytes(0),
    fallback: '256MiB',
    about:
      'Memory of this machine that is to stay available: below it, idle sandboxes are evicted, longest idle first. 0 = not looked at. ' +
      'Linux only, with the engine on this machine.',
  },
} as const satisfies Settings
