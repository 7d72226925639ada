import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { ContainerStream } from '../../src/engine/engine.ts'
import { SupervisorClient } from '../../src/supervisor/client.ts'
import { Connection } from '../../src/supervisor/connection.ts'

const ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64'
export const SUPERVISOR_BINARY = resolve(import.meta.dirname, `../../supervisor/build/${ARCH}/sandbox-supervisor`)

/** A real supervisor as an ordinary process of this machine, with its own socket, workspace and spool. */
export interface LocalSupervisor extends AsyncDisposable {
  readonly workspace: string
  readonly spool: string
  /** Name of its abstract socket. */
  readonly socket: string
  readonly process: ChildProcess
  connect(): Promise<SupervisorClient>
}

export async function startLocalSupervisor(extraArgs: readonly string[] = []): Promise<LocalSupervisor> {
  const directory = await mkdtemp(join(tmpdir(), 'sandbox-mcp-supervisor-'))
  const socket = `sandbox-mcp/test-${randomBytes(6).toString('hex')}`
  const workspace = join(directory, 'workspace')
  const spool = join(directory, 'spool')
  await Promise.all([mkdir(workspace), mkdir(spool)])
  const bridgeUid = String(process.getuid?.() ?? 0)
  const args = ['init', '--socket', socket, '--bridge-uid', bridgeUid, '--spool', spool, '--workspace', workspace]
  const child = spawn(SUPERVISOR_BINARY, [...args, ...extraArgs], { stdio: ['ignore', 'inherit', 'inherit'] })
  await once(child, 'spawn')
  const clients: SupervisorClient[] = []
  const connect = async (): Promise<SupervisorClient> => {
    const bridge = spawn(SUPERVISOR_BINARY, ['connect', '--socket', socket], { stdio: ['pipe', 'pipe', 'pipe'] })
    const client = new SupervisorClient(await Connection.open(childStream(bridge)))
    clients.push(client)
    return client
  }
  return {
    workspace,
    spool,
    process: child,
    socket,
    connect,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        await endCommands(await connect())
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      for (const client of clients) client.connection.close('the test is over')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/**
 * Ends what still runs, one command after another. KILL_ALL is not used: here it must not be `kill(-1)`, and a fault in that would end
 * every process of whoever runs the tests.
 */
async function endCommands(client: SupervisorClient): Promise<void> {
  const commands = await client.commands()
  const live = commands.filter(({ status, leftRunning }) => status === 'running' || leftRunning)
  await Promise.all(live.map(({ id }) => client.signal(id, 9, true)))
}

/** The stdio of a child process as a ContainerStream. */
export function childStream(child: ChildProcess): ContainerStream {
  const { stdin, stdout, stderr } = child
  if (!stdin || !stdout || !stderr) throw new Error('the child needs three pipes')
  let errors = ''
  stderr.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-4096)))
  stdin.on('error', () => {}) // a write to a bridge that has ended rejects in write()
  return {
    write: (data) =>
      new Promise((onTaken, onError) => {
        stdin.write(data, (error) => (error ? onError(error) : onTaken()))
      }),
    onData: (listener) => void stdout.on('data', listener),
    onClose: (listener) => void child.once('close', () => listener({ stderr: errors })),
    pause: () => void stdout.pause(),
    resume: () => void stdout.resume(),
    close: () => {
      stdin.destroy()
      child.kill('SIGKILL')
    },
  }
}
