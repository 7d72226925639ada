import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { which } from '../lib/command.mjs'
import { buildSupervisorInContainer } from '../lib/container-build.mjs'
import { fingerprint, isCurrent, stamp } from '../lib/fingerprint.mjs'
import { machine } from '../lib/machine.mjs'
import { root } from '../lib/paths.mjs'

/** This machine's architecture in Go's words, which engines use. */
const hostArch = { x64: 'amd64', arm64: 'arm64' }[process.arch]

/** Builds the supervisor for the engine's architecture, unless it was made from these very sources. */
export async function buildSupervisor(step, { api, arch }) {
  const sources = sourcesFingerprint()
  if (isBuilt(arch, sources)) return { summary: `made from these sources for ${arch}` }

  const isHere = arch === hostArch && canCompile()
  step.doing(isHere ? 'compiling with make' : 'compiling in a container')
  if (isHere) await step.run('make', ['-C', 'supervisor', `build/${arch}/sandbox-supervisor`])
  else await buildSupervisorInContainer(step, api, arch)
  stamp(stampPath(arch), sources)
  return { summary: `compiled for ${arch}` }
}

/** Debian packages that compiling the supervisor needs and this machine lacks; with `forTests` also what its tests need. */
export function supervisorTools({ forTests }) {
  if (!forTests && (isBuilt(hostArch, sourcesFingerprint()) || canCompile())) return []
  return [
    ...(which('make') ? [] : ['make']),
    ...(which('musl-gcc') ? [] : ['musl-tools']),
    // The tests run under the sanitizers, which musl does not have.
    ...(forTests && !which('gcc') ? ['gcc'] : []),
    ...(forTests && !existsSync('/usr/include/stdio.h') ? ['libc6-dev'] : []),
  ]
}

/** Linux, make and a C compiler. */
function canCompile() {
  return machine.isLinux && Boolean(which('make') && (which('musl-gcc') ?? which('gcc')))
}

function isBuilt(arch, sources) {
  return existsSync(binaryPath(arch)) && isCurrent(stampPath(arch), sources)
}

function sourcesFingerprint() {
  return fingerprint(['supervisor/src', 'supervisor/Makefile', 'supervisor/Dockerfile'])
}

function binaryPath(arch) {
  return join(root, 'supervisor', 'build', arch, 'sandbox-supervisor')
}

function stampPath(arch) {
  return join(root, 'supervisor', 'build', arch, '.sources')
}
