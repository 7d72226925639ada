import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { ended } from './command.mjs'

/** Which engine set-up has started, for whoever stops it. Under /run, because it says nothing after a reboot. */
const recordPath = '/run/sandbox-mcp/dockerd.json'

/** Output of a daemon that set-up started. */
export const engineLogPath = '/var/log/sandbox-mcp-dockerd.log'

const startDeadlineMs = 60_000
const stopDeadlineMs = 60_000
const pollMs = 100

/** Starts dockerd as a process of its own session, for machines without systemd, and waits until it answers at `api`. */
export async function startDaemon(api) {
  const log = openSync(engineLogPath, 'w')
  const daemon = spawn('dockerd', [], { detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  // At once, so that it can be stopped whatever happens to this process.
  record({ pid: daemon.pid, startTime: startTimeOf(daemon.pid) })
  const hasEnded = ended(daemon).then(([code]) => {
    throw new Error(`dockerd ended with exit code ${code}; its log is ${engineLogPath}`)
  })
  await Promise.race([hasEnded, answer(api)])
  // From here on it is expected to end one day, after this process.
  hasEnded.catch(() => {})
  daemon.unref()
}

/** Starts docker's unit, for machines with systemd, and waits until it answers at `api`. `run` runs a program. */
export async function startUnit(api, run) {
  await run('systemctl', ['enable', '--now', 'docker.service'])
  await answer(api)
  record({ units: ['docker.socket', 'docker.service', 'containerd.service'] })
}

/** Waits until the engine at `api` answers. Fails after a minute. */
async function answer(api) {
  const deadline = Date.now() + startDeadlineMs
  while (!(await api.answers(2000))) {
    if (Date.now() > deadline) throw new Error('the engine was started but does not answer', { cause: api.silence })
    await delay(pollMs)
  }
}

/** Stops the engine that set-up has started, with its containers, and waits until it is gone. Any other engine is left alone. */
export async function stopOwnEngine() {
  if (!existsSync(recordPath)) return
  const { pid, startTime, units } = JSON.parse(readFileSync(recordPath, 'utf8'))
  if (units) execFileSync('systemctl', ['stop', ...units])
  else await endProcess(pid, startTime)
  rmSync(recordPath)
}

async function endProcess(pid, startTime) {
  if (startTimeOf(pid) !== startTime) return
  process.kill(pid, 'SIGTERM')
  const deadline = Date.now() + stopDeadlineMs
  while (startTimeOf(pid) === startTime) {
    if (Date.now() > deadline) throw new Error(`dockerd (pid ${pid}) does not end; its log is ${engineLogPath}`)
    await delay(pollMs)
  }
}

function record(engine) {
  mkdirSync(dirname(recordPath), { recursive: true })
  writeFileSync(recordPath, JSON.stringify(engine))
}

/** Start of a process in clock ticks since boot (proc_pid_stat(5), field 22): with the pid it names one process. undefined when it is gone. */
function startTimeOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const isZombie = fields[0] === 'Z'
    return isZombie ? undefined : fields[19]
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined
    throw error
  }
}
