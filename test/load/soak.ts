import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Engine } from '../../src/engine/engine.ts'
import { EVENT_LIMITS } from '../../src/transports/event-store.ts'
import { seededRandom } from '../helpers/random.ts'
import { ContentModel } from './content-model.ts'
import { leftovers } from './leftovers.ts'
import { type Finding, holds, trends } from './limits.ts'
import { LoadServer, Tokens } from './load-server.ts'
import { PatientClient } from './patient-client.ts'
import { Removals } from './removals.ts'
import { type Sample, takeSample } from './samples.ts'
import { Tally } from './tally.ts'
import { checkAll, nextCall, type SoakUser } from './user-calls.ts'

export interface SoakOptions {
  readonly users: number
  /** Sandboxes that a server may run at once. */
  readonly slots: number
  /** Servers of the one installation; with several, each user has a client at each, and every call goes to any one of them. */
  readonly servers: number
  readonly seconds: number
  /** Calls of a user in a row, at most; a user works in bursts, and pauses in between. */
  readonly burst: number
  /** Longest pause between two bursts, in seconds; the mean is half of it. */
  readonly pauseSeconds: number
  /** Time between two samples, in seconds. */
  readonly sampleSeconds: number
  readonly seed: number
}

export const SOAK_DEFAULTS: SoakOptions = {
  users: 200,
  slots: 20,
  servers: 1,
  seconds: 300,
  burst: 12,
  pauseSeconds: 60,
  sampleSeconds: 10,
  seed: 1,
}

/** What is known while it runs. */
export interface SoakProgress {
  readonly phase: 'connecting' | 'first calls' | 'load' | 'checking' | 'ending'
  readonly seconds: number
  readonly tally: Tally
  readonly sample: Sample | undefined
}

export interface SoakReport {
  readonly options: SoakOptions
  readonly tally: Tally
  /** Of the time under load. */
  readonly samples: readonly Sample[]
  /** Between the first calls and the load, at rest, after a garbage collection. */
  readonly before: Sample
  /** After the load, at rest, all clients gone, after a garbage collection. */
  readonly after: Sample
  /** Time of each user's first call, whose sandbox is made in it, in milliseconds. */
  readonly firstCallsMs: readonly number[]
  /** Sandboxes that were put to sleep. */
  readonly evictions: number
  readonly findings: readonly Finding[]
  /** Whatever else must not be: each is a failure of the run. */
  readonly faults: readonly string[]
}

const CONNECTING_AT_ONCE = 20
/** The default of a server over HTTP: sandboxes that run before their user is known. */
const POOL_SIZE = 2
/** Of one server: what comes and goes with a few engine calls and the heap's own ways, above what there was before the load. */
const FDS_ABOVE = 10
const TIMERS_ABOVE = 10
const RSS_MIB_ABOVE = 20
const REPLAY_MIB = EVENT_LIMITS.totalBytes / 1024 ** 2
/** The longest that closed connections, and sessions without one, may take to be forgotten; and how often is looked. In milliseconds. */
const REST_MS = 40_000
const REST_POLL_MS = 500

/** Settings of the servers: small sandboxes, and idle times short enough that every kind of sweep takes part. */
function settingsOf({ users, slots, servers }: SoakOptions): Readonly<Record<string, string>> {
  return {
    memory: '64MiB',
    'max-running': String(slots),
    'max-calls': String(Math.max(slots * 2, 16)),
    'max-sessions': String(users * servers + 10),
    'idle-timeout': '45s',
    'queue-timeout': '20s',
    // A client of the first generation closes without a word to the server.
    'session-idle': '5s',
  }
}

/**
 * Users × calls against servers of an installation of its own, over real clients with tokens. Everything that is neither a success nor a
 * typed refusal, every file that is not as it has to be, and every leftover is in the report. Removing what the users made is the
 * caller's matter.
 */
export async function soak(
  options: SoakOptions,
  { engine, installation }: { readonly engine: Engine; readonly installation: string },
  onProgress: (progress: SoakProgress) => void = () => {},
): Promise<SoakReport> {
  const run = randomBytes(3).toString('hex')
  const names = Array.from({ length: options.users }, (_, at) => `user-${String(at).padStart(4, '0')}-${run}`)
  await using tokens = await Tokens.of(names)
  using removals = new Removals(engine, installation)
  const servers: LoadServer[] = []
  try {
    for (let at = 0; at < options.servers; at++) {
      servers.push(await LoadServer.start({ installation, tokens, settings: settingsOf(options) }))
    }
    return await soakServers({ options, engine, installation, servers, names, removals, onProgress })
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]()
  }
}

interface Scene {
  readonly options: SoakOptions
  readonly engine: Engine
  readonly installation: string
  readonly servers: readonly LoadServer[]
  readonly names: readonly string[]
  readonly removals: Removals
  readonly onProgress: (progress: SoakProgress) => void
}

async function soakServers(scene: Scene): Promise<SoakReport> {
  const { options, engine, installation, servers, names, removals, onProgress } = scene
  const startedMs = performance.now()
  const tally = new Tally()
  const samples: Sample[] = []
  const faults: string[] = []
  const told = (phase: SoakProgress['phase']) =>
    onProgress({ phase, seconds: (performance.now() - startedMs) / 1000, tally, sample: samples.at(-1) })
  const sample = () => takeSample({ servers, engine, installation }, startedMs)

  told('connecting')
  const random = seededRandom(options.seed)
  const users = await pLimit(CONNECTING_AT_ONCE).map(names, async (name, at): Promise<SoakUser> => {
    const own = seededRandom(Math.floor(random() * 2 ** 32))
    const clients = await Promise.all(servers.map((server, of) => server.connect(name, at + of)))
    const mark = `mark-${name.slice('user-'.length)}`
    return { client: new PatientClient(mark, clients, tally, own), model: new ContentModel(), random: own, turn: 0 }
  })
  const firstCallsMs = await pLimit(options.slots).map(users, async (user) => {
    told('first calls')
    return await firstCall(user, tally)
  })
  await collectGarbage(servers)
  const before = await sample()

  const until = performance.now() + options.seconds * 1000
  const loaded = new AbortController()
  const sampling = repeat(loaded.signal, options.sampleSeconds, async () => {
    // A heap that is free to grow does: only what a collection leaves tells of a leak within minutes.
    await collectGarbage(servers)
    samples.push(await sample())
    told('load')
  })
  await Promise.all(users.map((user) => work(user, options, until, tally)))
  loaded.abort()
  await sampling

  await pLimit(options.slots).map(users, async (user) => {
    told('checking')
    try {
      faults.push(...(await checkAll(user)))
    } catch (error) {
      tally.fail('final check', String(error))
    }
  })
  told('ending')
  await Promise.all(users.map(({ client }) => client.close()))
  const after = await atRest(servers, sample, (now) => restFindings(before, now, servers.length).every(holds))
  const evictions = await evictionsOf(servers)
  const mostOf = (of: (sample: Sample) => number) => Math.max(0, ...samples.map(of))
  const findings = [
    ...restFindings(before, after, servers.length),
    ...trends(samples),
    {
      what: 'most memory of replays',
      value: mostOf(({ replayMiB }) => replayMiB),
      limit: REPLAY_MIB * servers.length,
      unit: 'MiB',
    },
    {
      what: 'most containers',
      value: mostOf(({ containers }) => containers),
      limit: options.slots * servers.length,
      unit: '',
    },
    { what: 'containers removed, beyond evictions', value: removals.count - evictions, limit: 0, unit: '' },
  ]
  faults.push(...tally.failures, ...servers.flatMap((server) => server.faults))
  faults.push(...(await leftovers({ engine, installation, users: names, poolSize: POOL_SIZE * servers.length })))
  for (const server of servers) {
    const code = await server.stop()
    if (code !== 0) faults.push(`a server ended with ${code}`)
  }
  return { options, tally, samples, before, after, firstCallsMs, evictions, findings, faults }
}

/** Each user's first call makes their sandbox: timed apart from the rest, in milliseconds. */
async function firstCall({ client, model }: SoakUser, tally: Tally): Promise<number> {
  const started = performance.now()
  const content = `${client.mark} was here first\n`
  try {
    await client.call('first call', 'write_file', { path: 'first.txt', content })
    model.put('first.txt', content)
  } catch (error) {
    model.giveUp('first.txt')
    tally.fail('first call', String(error))
  }
  return performance.now() - started
}

/** Bursts of calls and pauses until the time is up. */
async function work(user: SoakUser, { burst, pauseSeconds }: SoakOptions, until: number, tally: Tally): Promise<void> {
  const { random } = user
  while (performance.now() < until) {
    await delay(Math.min(random() * pauseSeconds * 1000, Math.max(0, until - performance.now())))
    const calls = 1 + Math.floor(random() * burst)
    for (let call = 0; call < calls && performance.now() < until; call++) {
      try {
        await nextCall(user)(user)
      } catch (error) {
        tally.fail('load', error instanceof Error ? error.message : String(error))
      }
    }
  }
}

async function repeat(ended: AbortSignal, everySeconds: number, work: () => Promise<void>): Promise<void> {
  while (!ended.aborted) {
    await work()
    await delay(everySeconds * 1000, undefined, { signal: ended }).catch(() => {}) // the signal ends the loop, too
  }
}

async function collectGarbage(servers: readonly LoadServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.collectGarbage()))
}

/** The first sample that is at rest, or the last when none is in time. */
async function atRest(
  servers: readonly LoadServer[],
  sample: () => Promise<Sample>,
  isAtRest: (sample: Sample) => boolean,
): Promise<Sample> {
  const until = performance.now() + REST_MS
  for (;;) {
    await collectGarbage(servers)
    const now = await sample()
    if (isAtRest(now) || performance.now() > until) return now
    await delay(REST_POLL_MS)
  }
}

/** What has to be as before the load, once nobody is connected any more. Samples are of all `servers` together. */
function restFindings(before: Sample, after: Sample, servers: number): Finding[] {
  const above = (what: string, of: (sample: Sample) => number, limit: number, unit: string): Finding => ({
    what: `${what} above those before`,
    value: of(after) - of(before),
    limit,
    unit,
  })
  return [
    above('MiB of memory at rest', ({ rssMiB }) => rssMiB, RSS_MIB_ABOVE * servers, 'MiB'),
    above('open files at rest', ({ fds }) => fds, FDS_ABOVE * servers, ''),
    above('timers at rest', ({ timers }) => timers, TIMERS_ABOVE * servers, ''),
    above('volumes', ({ volumes }) => volumes, 0, ''),
    { what: 'sessions at rest', value: after.sessions, limit: 0, unit: '' },
    { what: 'memory of replays at rest', value: after.replayMiB, limit: 0, unit: 'MiB' },
  ]
}

async function evictionsOf(servers: readonly LoadServer[]): Promise<number> {
  const scrapes = await Promise.all(servers.map((server) => server.metrics()))
  return scrapes.reduce((sum, { value }) => sum + (value('sandbox_mcp_sandbox_evictions_total') ?? 0), 0)
}
