import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { root } from './paths.mjs'

const calls = 50
const execs = 5

/** Median milliseconds of a warm `shell_exec` through the whole server, and of `docker exec` of the same command in the same container.
 * `env` is the server's environment beside this process's own. */
export async function compareLatency(session, api, env) {
  const container = await sandboxOf({ ...process.env, ...env })
  const shellExecMs = await median(calls, () => session.call('shell_exec', { command: 'true' }))
  const dockerExecMs = await median(execs, () => dockerExec(api, container, ['sh', '-c', 'true']))
  return { shellExecMs, dockerExecMs, calls, execs }
}

async function median(count, body) {
  const times = []
  for (let index = 0; index < count; index++) {
    const startedMs = performance.now()
    await body()
    times.push(performance.now() - startedMs)
  }
  return times.sort((a, b) => a - b)[Math.floor(count / 2)]
}

/** As the docker command does it: create, start, read to the end, ask for the exit code. */
async function dockerExec(api, container, command) {
  const body = { Cmd: command, AttachStdout: true, AttachStderr: true }
  const { Id } = await api.call('POST', `/containers/${container}/exec`, { body })
  await api.call('POST', `/exec/${Id}/start`, { body: { Detach: false, Tty: false } })
  const { ExitCode } = await api.call('GET', `/exec/${Id}/json`)
  if (ExitCode !== 0) throw new Error(`docker exec ended with exit code ${ExitCode}`)
}

/** Name of the user's container, from the server's own rule. */
async function sandboxOf({ SANDBOX_INSTALLATION: installation, SANDBOX_USER: user }) {
  const { identityOf } = await import(pathToFileURL(join(root, 'dist', 'registry', 'identity.js')).href)
  return identityOf(installation ?? 'default', user).containerName
}
