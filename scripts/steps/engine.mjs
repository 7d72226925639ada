import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { EngineApi } from '../lib/engine-api.mjs'
import { machine } from '../lib/machine.mjs'
import { startDaemon, startUnit } from '../lib/own-engine.mjs'
import { root } from '../lib/paths.mjs'
import { SetUpError } from '../lib/steps.mjs'

/** Where the engine of a Debian machine listens. */
const localSocket = '/var/run/docker.sock'

/**
 * The engine of this very machine, on machines where set-up could install one and nothing points to another: known before the server
 * is compiled. All other machines wait for the server's own discovery, of which this is the only, partial, second copy.
 */
export function localEngine() {
  return machine.canInstall && !pointsElsewhere() ? new EngineApi({ socketPath: localSocket }) : undefined
}

/** Starts the engine of this machine and waits for it. */
export async function startEngine(step, api) {
  step.doing(machine.hasSystemd ? 'starting docker with systemd' : 'starting dockerd')
  if (machine.hasSystemd) await startUnit(api, (...command) => step.run(...command))
  else await startDaemon(api)
}

/** Finds the engine as the server does, and fails with what to do when none answers. */
export async function discoverEngine() {
  const { findEngine, systemSources } = await import(
    pathToFileURL(join(root, 'dist', 'engine', 'docker', 'connect.js')).href
  )
  const address = findEngine(systemSources(undefined, process.env))
  const api = new EngineApi(address)
  if (await api.answers()) return api
  throw new SetUpError(
    `no container engine answers (${address.source}: ${api.silence.message}).\n${advice(api.silence, address)}`,
  )
}

/** The engine's version and platform, for all later steps. */
export async function describeEngine(api) {
  const { version, arch } = await api.answers()
  const where = api.address.socketPath ?? `${api.address.host}:${api.address.port}`
  return { summary: `Docker API ${version} (${arch}) at ${where}`, value: { api, arch } }
}

/** What somebody has to do so that an engine answers. */
function advice(silence, address) {
  if (silence.code === 'EACCES')
    return `You may not use ${address.socketPath}: run "sudo usermod -aG docker $USER", log in again, and run this again.`
  if (address.source === 'DOCKER_HOST' || address.source.startsWith('docker context'))
    return `Start that engine, or choose another (unset DOCKER_HOST, "docker context use default"), and run this again.`
  if (process.platform === 'darwin' || process.platform === 'win32')
    return 'Start Docker Desktop (https://docs.docker.com/desktop/), wait until it says "running", and run this again.'
  if (machine.isRoot)
    return `Install Docker from your distribution (Fedora: dnf install moby-engine; Arch: pacman -S docker; Alpine: apk add docker), start it (systemctl start docker), and run this again.`
  return 'Start Docker (sudo systemctl start docker), or run this as root on Debian or Ubuntu, where it installs and starts docker.io by itself.'
}

/** True when the environment or the docker command's configuration names an engine. */
function pointsElsewhere() {
  if (process.env['DOCKER_HOST'] || process.env['DOCKER_CONTEXT']) return true
  const configPath = join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json')
  return existsSync(configPath) && Boolean(JSON.parse(readFileSync(configPath, 'utf8')).currentContext)
}
