import { readdirSync, statSync } from 'node:fs'

/** Package lists older than this may name versions that the mirror no longer has. */
const freshListsMs = 24 * 60 * 60 * 1000

const lists = '/var/lib/apt/lists'

/** Installs Debian packages with one apt-get, and what they need, but nothing that they only recommend. */
export async function installSystemPackages(step, names) {
  if (names.length === 0) return {}
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  // Not ended when another step fails: a half-configured dpkg database is worse than a package too many.
  const options = { env, signal: undefined }

  step.doing(`apt-get install ${names.join(' ')}`)
  if (!hasFreshLists()) await step.run('apt-get', ['update', '-q'], options)
  const install = ['install', '-q', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', ...names]
  await step.run('apt-get', install, options)
  return { summary: `installed ${names.join(' ')}` }
}

function hasFreshLists() {
  const times = readdirSync(lists)
    .filter((name) => name.endsWith('_Packages') || name.endsWith('_Packages.lz4'))
    .map((name) => statSync(`${lists}/${name}`).ctimeMs)
  return times.length > 0 && Date.now() - Math.max(...times) < freshListsMs
}
