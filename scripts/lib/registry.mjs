/** Docker Hub's front door: any HTTP answer, also 401, means that it is reachable. */
const address = 'https://registry-1.docker.io/v2/'

const deadlineMs = 4000

/**
 * True when this machine can reach the registry of the base image. Only asked while no engine runs that could be asked to pull.
 * Behind a proxy it says yes without asking: fetch knows no proxies, and the engine does.
 */
export async function registryAnswers() {
  if (process.env['HTTPS_PROXY'] || process.env['https_proxy']) return true
  try {
    await fetch(address, { method: 'HEAD', signal: AbortSignal.timeout(deadlineMs) })
    return true
  } catch {
    // Every way to fail here (no name, no route, no answer in time, a foreign certificate) means the same: not reachable.
    return false
  }
}
