import type { ReadyRuntime } from '../runtimes/image-builder.ts'
import type { SandboxFacts } from '../sandbox/facts.ts'
import type { SandboxLink } from '../sandbox/link.ts'
import type { PackageSupply } from '../sandbox/packages.ts'
import { Sandbox } from '../sandbox/sandbox.ts'
import type { Entry } from './entries.ts'
import { fetchLabels } from './identity.ts'
import type { AttachedFacts } from './modes/attach.ts'
import { modeRefuses } from './modes/mode-rules.ts'
import type { ModeName } from './modes/mode.ts'
import { policyFor } from './modes/user-profile.ts'
import type { RegistryDeps } from './registry-deps.ts'
import { attachedFacts, sandboxFacts, type SandboxPolicy } from './sandbox-spec.ts'

/** What tools are told of a user's sandbox. `attached` is of a container of the operator's, which is as it is. */
export function factsOf(
  { profile }: Entry,
  policy: SandboxPolicy,
  runtime: ReadyRuntime,
  attached: AttachedFacts | undefined,
  mode: ModeName = profile.mode?.name ?? 'persistent',
): SandboxFacts {
  return attached
    ? attachedFacts(runtime, attached, policy.maxTimeoutMs)
    : sandboxFacts(runtime, policyFor(policy, profile), profile.idleTimeoutMs, mode)
}

/** What can be done with a user's sandbox over this link. */
export function equip(
  { identity, logger, quota }: Entry,
  link: SandboxLink,
  runtime: ReadyRuntime,
  facts: SandboxFacts,
  packages: RegistryDeps['packages'],
): Sandbox {
  const labels = fetchLabels(identity.installation, identity.userHash)
  const scene = { runtime, labels, sandboxNetwork: facts.network }
  const supply: PackageSupply = {
    fetch: (request, options) => {
      // They would be for another image, and the program that installs them is not there.
      if (facts.mode === 'attach') return Promise.reject(modeRefuses(facts.mode, 'install_packages'))
      return packages.fetch(request, scene, options)
    },
  }
  return new Sandbox(link, facts, supply, logger, quota)
}
