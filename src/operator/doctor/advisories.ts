import semver from 'semver'
import { type Finding, ok, warn } from './finding.ts'

interface Advisory {
  readonly id: string
  readonly component: 'runc' | 'containerd' | 'Engine'
  /** Versions that have the fault, as a range of semver. */
  readonly affected: string
  readonly about: string
}

/**
 * Faults of container engines that let a container reach its host. Each range is from the advisory of its project: github.com/advisories/
 * GHSA-xr7r-f8xq-vfvv (CVE-2024-21626), opencontainers/runc releases 1.2.8 and 1.3.3 (the three of 2025), GHSA-265r-hfxg-fhmg (containerd).
 */
const ADVISORIES: readonly Advisory[] = [
  {
    id: 'CVE-2024-21626',
    component: 'runc',
    affected: '<1.1.12',
    about: 'a working directory below /proc/self/fd reaches the host',
  },
  {
    id: 'CVE-2025-31133, CVE-2025-52565, CVE-2025-52881',
    component: 'runc',
    affected: '<1.2.8 || >=1.3.0 <1.3.3',
    about: 'mounts that are swapped while a container starts write to the host’s /proc',
  },
  {
    id: 'CVE-2024-40635',
    component: 'containerd',
    affected: '<1.6.38 || >=1.7.0 <1.7.27 || >=2.0.0 <2.0.4',
    about: 'a uid that overflows runs as root in the container',
  },
]

/** Known faults of the parts of an engine, by what the parts say of their version. A distribution may have mended one without a new number. */
export function knownVulnerabilities(components: Readonly<Record<string, string>>): readonly Finding[] {
  return Object.entries(components).flatMap(([name, text]) => {
    const version = semver.coerce(text)
    const advisories = ADVISORIES.filter(({ component }) => component === name)
    if (!version || advisories.length === 0) return []
    const hit = advisories.filter(({ affected }) => semver.satisfies(version, affected))
    if (hit.length === 0) return [ok(name, text)]
    const ids = hit.map(({ id }) => id).join(', ')
    const what = hit.map(({ about }) => about).join('; ')
    return [warn(name, `${text}: ${ids}`, `Update it, unless your distribution has mended its own: ${what}.`)]
  })
}
