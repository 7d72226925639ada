import { labels } from './base-image.mjs'

const calls = 50
const execs = 5

/** Median milliseconds of a warm `shell_exec` through the whole server, and of `docker exec` of the same command in the same container. */
export async function compareLatency(session, api, user) {
  const container = await sandboxOf(api, user)
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

async function sandboxOf(api, user) {
  const filters = JSON.stringify({ label: [`${labels.role}=sandbox`, `sandbox-mcp.user=${user}`] })
  const [container] = await api.call('GET', '/containers/json', { query: { filters } })
  return container.Id
}
