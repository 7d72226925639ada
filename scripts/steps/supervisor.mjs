import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { which } from '../lib/command.mjs'
import { buildSupervisorInContainer } from '../lib/container-build.mjs'
import { fingerprint, isCurrent, stamp } from '../lib/fingerprint.mjs'
import { machine } from '../lib/machine.mjs'
import { root } from '../lib/paths.mjs'
import { SetUpError } from '../lib/steps.mjs'

/** This machine's architecture in Go's words, which engines use. */
const hostArch = { x64: 'amd64', arm64: 'arm64' }[process.arch]

/** What the published package holds. */
const architectures = ['amd64', 'arm64']
const otherArchitectures = architectures.filter((arch) => arch !== hostArch)

/** Compilers for the other architecture, in the Makefile's order, and the Debian packages of the one that Debian has. */
const crossCompilers = {
  amd64: ['x86_64-linux-musl-gcc', 'x86_64-linux-gnu-gcc'],
  arm64: ['aarch64-linux-musl-gcc', 'aarch64-linux-gnu-gcc'],
}
const crossPackages = {
  amd64: ['gcc-x86-64-linux-gnu', 'libc6-dev-amd64-cross'],
  arm64: ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross'],
}

/** Builds the supervisor for the engine's architecture, unless it was made from these very sources. */
export async function buildSupervisor(step, { api, arch }) {
  const sources = sourcesFingerprint()
  if (isBuilt(arch, sources)) return { summary: `made from these sources for ${arch}` }

  if (canCompile(arch)) {
    step.doing('compiling with make')
    await make(step, arch)
  } else {
    step.doing('compiling in a container')
    await buildSupervisorInContainer(step, api, arch)
  }
  stamp(stampPath(arch), sources)
  return { summary: `compiled for ${arch}` }
}

/** Compiles the supervisor for every architecture that the package is published for. Needs no engine, and so a compiler for each. */
export async function buildAllSupervisors(step) {
  const sources = sourcesFingerprint()
  const due = architectures.filter((arch) => !isBuilt(arch, sources))
  const missing = due.filter((arch) => !canCompile(arch))
  if (missing.length > 0) throw new SetUpError(noCompiler(missing))
  for (const arch of due) {
    step.doing(`compiling for ${arch}`)
    await make(step, arch)
    stamp(stampPath(arch), sources)
  }
  return { summary: due.length > 0 ? `compiled for ${due.join(' and ')}` : 'made from these sources' }
}

function make(step, arch) {
  return step.run('make', ['-C', 'supervisor', `build/${arch}/sandbox-supervisor`])
}

function noCompiler(missing) {
  const packages = ['make', ...missing.flatMap((arch) => (arch === hostArch ? ['musl-tools'] : crossPackages[arch]))]
  return `the package holds the supervisor for ${architectures.join(' and ')}, and there is no C compiler for ${missing.join(' and ')}.
On Debian or Ubuntu: apt-get install ${packages.join(' ')}`
}

/**
 * Debian packages that compiling the supervisor needs and this machine lacks; with `forTests` also what its tests need, and those of the
 * published package.
 */
export function supervisorTools({ forTests }) {
  if (!forTests && (isBuilt(hostArch, sourcesFingerprint()) || canCompile(hostArch))) return []
  return [
    ...(which('make') ? [] : ['make']),
    ...(which('musl-gcc') ? [] : ['musl-tools']),
    // The tests run under the sanitizers, which musl does not have.
    ...(forTests && !which('gcc') ? ['gcc'] : []),
    ...(forTests && !existsSync('/usr/include/stdio.h') ? ['libc6-dev'] : []),
    ...(forTests ? otherArchitectures.filter((arch) => !canCompile(arch)).flatMap((arch) => crossPackages[arch]) : []),
  ]
}

/** Linux, make and a C compiler for `arch`. */
function canCompile(arch) {
  const compilers = arch === hostArch ? ['musl-gcc', 'gcc'] : crossCompilers[arch]
  return machine.isLinux && Boolean(which('make') && compilers.some((compiler) => which(compiler)))
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
