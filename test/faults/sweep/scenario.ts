import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerSummary } from '../../../src/engine/engine.ts'
import type { EngineRequest } from '../../helpers/engine-requests.ts'
import type { TestServer } from '../../helpers/start-server.ts'
import { tar } from '../../helpers/tar.ts'
import type { Change, WorkspaceModel } from './model.ts'

/** What a step needs. */
export interface Scene {
  readonly server: TestServer
  readonly model: WorkspaceModel
  /** The user's container, whatever its name. */
  readonly container: () => Promise<ContainerSummary | undefined>
  /** True while the user's files are on the engine. */
  readonly hasWorkspace: () => Promise<boolean>
  /** The frames and requests of the server so far. */
  readonly requests: readonly EngineRequest[]
  /** Ids of background processes by their names. */
  readonly processes: Map<string, string>
}

export interface Step {
  readonly name: string
  readonly run: (scene: Scene) => Promise<void>
}

/** A file of which the content says who wrote it last, in many frames. */
const BIG = 'b'.repeat(200 * 1024)
/** Each shell command adds its name, so that one that ran twice shows, and one that did not run too. */
export const JOURNAL = 'journal'
/** The command line of the process that is left in the background. */
export const BACKGROUND = 'sleep 3001'
const POLL_MS = 100

/** A step that is one call. It fails unless the answer is a success. */
function call(
  name: string,
  tool: string,
  args: Record<string, unknown>,
  change: (model: WorkspaceModel) => Change,
): Step {
  return {
    name,
    run: async ({ server, model }) => {
      model.begin(change(model))
      const { isError, text, structured } = await server.call(tool, args)
      if (isError || (structured?.exit_code ?? 0) !== 0) throw new Error(`${name}: ${text}`)
      model.succeed()
    },
  }
}

/** A command that says in the journal that it ran. */
function command(name: string, line: string): Step {
  return call(name, 'shell_exec', { command: `${line}; echo ${name} >> ${JOURNAL}` }, (model) => ({
    [JOURNAL]: `${model.certain(JOURNAL)}${name}\n`,
  }))
}

/** Starts a process that stays. It is in the journal before it does. */
const startBackground: Step = {
  name: 'background',
  run: async ({ server, model, processes }) => {
    model.begin({ [JOURNAL]: `${model.certain(JOURNAL)}background\n` })
    const line = `echo background >> ${JOURNAL}; echo up; exec ${BACKGROUND}`
    const { process_id: id } = await server.exec(line, { wait_s: 0 })
    const { structured } = await server.call('process_read', { process_id: id, until: 'up', wait_s: 50 })
    if (structured.until_met !== true) throw new Error('the process in the background did not start')
    processes.set('background', id as string)
    model.succeed()
  },
}

const endBackground: Step = {
  name: 'end the background process',
  run: async ({ server, processes }) => {
    await server.call('process_write', { process_id: processes.get('background'), signal: 'kill' })
    processes.delete('background')
  },
}

/** Waits for what the server does by itself. */
function wait(name: string, isDone: (scene: Scene) => Promise<boolean>): Step {
  return {
    name,
    run: async (scene) => {
      const { child } = scene.server
      while (!(await isDone(scene))) {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error('the server is gone')
        await delay(POLL_MS)
      }
    },
  }
}

const eviction = wait('eviction', async ({ container }) => (await container()) === undefined)
const freeze = wait('freeze', async ({ container }) => (await container())?.state === 'paused')
const archiving = wait('archive', async ({ hasWorkspace }) => !(await hasWorkspace()))
/** A slot can be claimed when its supervisor has answered. */
const slot = wait('slot', async ({ server, requests }) => {
  const isGreeted = requests.some(({ method, path }) => method === 'FRAME' && path === 'hello')
  if (isGreeted) await server.client.listTools()
  return isGreeted
})

/** One way through a server's life. */
export interface Scenario {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
  /** Of the server that comes after. */
  readonly nextEnv: Readonly<Record<string, string>>
  readonly poolSize: number
  /** As `mayLast` of what is looked at after the fault. */
  readonly mayLast: readonly string[]
  readonly steps: () => Promise<readonly Step[]>
}

/** Idle times are so short that little is waited for, and so long that no other step meets them. */
export const SESSION: Scenario = {
  name: 'session',
  env: { SANDBOX_IDLE_TIMEOUT: '2s' },
  nextEnv: { SANDBOX_IDLE_TIMEOUT: '0' },
  poolSize: 0,
  mayLast: [],
  steps: session,
}

/** A claimed slot, frozen, thawed, put to sleep, woken. */
export const LADDER: Scenario = {
  name: 'ladder',
  env: { SANDBOX_IDLE_TIMEOUT: '4s', SANDBOX_FREEZE_AFTER: '2s', SANDBOX_POOL_SIZE: '1' },
  nextEnv: { SANDBOX_IDLE_TIMEOUT: '0', SANDBOX_POOL_SIZE: '1' },
  poolSize: 1,
  mayLast: [],
  steps: () =>
    Promise.resolve([
      slot,
      call('claim', 'write_file', { path: 'a.txt', content: 'alpha\n' }, () => ({ 'a.txt': 'alpha\n' })),
      command('command', 'true'),
      freeze,
      command('thawed', 'grep -q alpha a.txt'),
      freeze,
      eviction,
      command('woken', 'grep -q alpha a.txt'),
      call('restart', 'sandbox_manage', { action: 'restart' }, () => ({})),
      command('slow', 'sleep 0.3'),
      call('destroy', 'sandbox_manage', { action: 'destroy' }, (model) => model.allGone()),
    ]),
}

/** A snapshot, a way back to it, sleep, the archive, and a way back from there. Backups are kept in this directory. */
export function keeping(backupDir: string): Scenario {
  return {
    name: 'keeping',
    env: { SANDBOX_IDLE_TIMEOUT: '2s', SANDBOX_ARCHIVE_AFTER: '1s', SANDBOX_BACKUP_DIR: backupDir },
    nextEnv: { SANDBOX_IDLE_TIMEOUT: '0', SANDBOX_ARCHIVE_AFTER: '1h', SANDBOX_BACKUP_DIR: backupDir },
    poolSize: 0,
    // Volumes that a restore makes and replaces, and the helper that fills them.
    mayLast: ['copy', 'scratch', 'workspace'],
    steps: () =>
      Promise.resolve([
        call('write', 'write_file', { path: 'a.txt', content: 'alpha\n' }, () => ({ 'a.txt': 'alpha\n' })),
        command('command', 'mkdir deep'),
        call('snapshot', 'sandbox_manage', { action: 'snapshot', snapshot: 'one' }, () => ({})),
        call('overwrite', 'write_file', { path: 'a.txt', content: 'beta\n' }, () => ({ 'a.txt': 'beta\n' })),
        call('restore', 'sandbox_manage', { action: 'restore', snapshot: 'one' }, () => ({ 'a.txt': 'alpha\n' })),
        eviction,
        archiving,
        command('woken', 'grep -q alpha a.txt; test -d deep'),
        call('destroy', 'sandbox_manage', { action: 'destroy' }, (model) => model.allGone()),
      ]),
  }
}

/** What a client does, over everything that a server can be killed in. */
async function session(): Promise<readonly Step[]> {
  const entries = [
    { name: 'one.txt', content: 'first of two' },
    { name: 'two.txt', content: 'second of two' },
  ]
  const archive = (await tar(entries)).toString('base64')
  return [
    call('write', 'write_file', { path: 'a.txt', content: 'alpha\n' }, () => ({ 'a.txt': 'alpha\n' })),
    command('command', 'mkdir deep'),
    startBackground,
    call('upload', 'upload', { path: 'deep/inbox', content: archive, encoding: 'base64', extract: 'tar' }, () => ({
      'deep/inbox/one.txt': 'first of two',
      'deep/inbox/two.txt': 'second of two',
    })),
    call('edit', 'edit_file', { path: 'a.txt', edits: [{ old: 'alpha', new: 'beta' }] }, () => ({
      'a.txt': 'beta\n',
    })),
    call('big write', 'upload', { path: 'big', content: BIG }, () => ({
      big: BIG,
    })),
    endBackground,
    eviction,
    command('woken', 'grep -q beta a.txt'),
    call('restart', 'sandbox_manage', { action: 'restart' }, () => ({})),
    command('slow', 'sleep 0.3'),
    call('switch', 'sandbox_manage', { action: 'runtime', runtime: 'node-minimal' }, () => ({})),
    call('append', 'write_file', { path: 'a.txt', content: 'gamma\n', mode: 'append' }, () => ({
      'a.txt': 'beta\ngamma\n',
    })),
    call('destroy', 'sandbox_manage', { action: 'destroy' }, (model) => model.allGone()),
  ]
}
