import { ERROR_CODES } from '../../errors/codes.ts'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { visibleText } from '../../lib/visible-text.ts'
import type { PackageManager } from '../package-names.ts'

/** Kept of what a package manager prints: its first and its last bytes, each this many. */
const KEPT_BYTES = 32 * 1024
/** Anything that may tell where the operator's indexes are, or a password for them. */
const ADDRESS = /[a-z][a-z0-9+.-]*:\/\/[^\s'"<>]+/gi

/** Collects what a package manager prints, and tells its newest line. */
export class FetchLog {
  #head = ''
  #tail = ''

  /** Takes a piece of output; gives the newest whole line, safe to show. */
  push(data: Buffer): string {
    const text = data.toString('latin1')
    const room = KEPT_BYTES - this.#head.length
    this.#head += text.slice(0, room)
    this.#tail = (this.#tail + text.slice(room)).slice(-KEPT_BYTES)
    const lines = (this.#tail === '' ? this.#head : this.#tail).split('\n')
    return shown(lines.at(-2) ?? '')
  }

  /** All that was kept, without addresses. A line that the cut went through is left out: half an address looks like none. */
  toString(): string {
    if (this.#tail === '') return shown(this.#head)
    const first = this.#head.slice(0, this.#head.lastIndexOf('\n') + 1)
    const last = this.#tail.slice(this.#tail.indexOf('\n') + 1)
    return shown(`${first}[...]\n${last}`)
  }
}

function shown(latin1: string): string {
  return visibleText(Buffer.from(latin1, 'latin1')).replace(ADDRESS, '(index)')
}

const UNREACHABLE =
  /NewConnectionError|Max retries exceeded|name resolution|CERTIFICATE_VERIFY_FAILED|SSLError|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER|Temporary failure resolving|Could not resolve|Could not connect|Connection failed|Failed to fetch|unable to update registry|spurious network error/i
/** As each manager words the status 401 or 403 (npm-registry-fetch, pip's session, apt's http method, cargo's registry). */
const REFUSED =
  /\bE40[13]\b|\b40[13] (?:Error|Client Error)|\b40[13] {1,2}(?:Unauthorized|Forbidden)|got 40[13]\b|HTTP\/\S+ 40[13]\b/i
const FULL = /No space left on device|ENOSPC|Disk quota exceeded/i
const MISSING: Readonly<Record<Exclude<PackageManager, 'node'>, RegExp>> = {
  pip: /No matching distribution found|Could not find a version/i,
  npm: /\bE404\b|\bETARGET\b|No matching version/i,
  apt: /Unable to locate package|has no installation candidate|Version .* was not found/i,
  cargo: /no matching package|failed to select a version|could not find/i,
}
const CONFLICT = /ResolutionImpossible|conflicting dependencies|ERESOLVE|unmet dependencies/i
const FORBIDDEN = /EALLOW(?:GIT|REMOTE|FILE|DIRECTORY)|\/bin\/false/

/** What a failed download means. The index's own words stay in the log: they are a third party's. */
export function fetchFault(
  manager: Exclude<PackageManager, 'node'>,
  packages: readonly string[],
  log: string,
  exitCode: number,
): SandboxError {
  const details = { manager, packages, exitCode, log }
  if (log.includes(`sandbox-mcp: no `)) {
    return new SandboxError('invalid_argument', `The runtime of this sandbox has no ${manager}.`, {
      hint: 'Choose another manager, or a runtime that has it with sandbox_manage.',
    })
  }
  if (FULL.test(log)) {
    return new SandboxError('too_large', 'The packages with all that they need are larger than may be downloaded.', {
      hint: 'Install fewer at once, or ask the operator for a larger installSize.',
      details,
    })
  }
  if (REFUSED.test(log)) {
    return new SandboxError('index_unreachable', `The ${manager} index does not let this server in.`, {
      hint: 'Ask the operator to correct the login in the setting of the index.',
      details,
    })
  }
  if (UNREACHABLE.test(log))
    return new SandboxError('index_unreachable', `The ${manager} index did not answer.`, { details })
  if (FORBIDDEN.test(log)) {
    return new SandboxError(
      'install_failed',
      'A package needs another one from outside the index: that is not fetched.',
      {
        details,
      },
    )
  }
  if (MISSING[manager].test(log)) {
    const named = packages.filter((name) => mentions(log, name))
    const which = (named.length > 0 ? named : packages).join(', ')
    const form = manager === 'pip' ? ' as a wheel for this Python (source packages are not built)' : ''
    return new SandboxError(
      'package_not_found',
      `The ${manager} index does not have ${which}${form}, or not what it needs.`,
      {
        hint: ERROR_CODES.package_not_found.hint,
        details,
      },
    )
  }
  if (CONFLICT.test(log)) {
    return new SandboxError(
      'package_not_found',
      `The ${manager} index has no versions of these packages that fit together.`,
      {
        hint: 'Loosen the versions, or install them one by one.',
        details,
      },
    )
  }
  return new SandboxError('install_failed', `${manager} could not download the packages (exit code ${exitCode}).`, {
    details,
  })
}

/** True when a line that tells of something missing has this package's name. */
function mentions(log: string, spec: string): boolean {
  const name = /^@?[^@=<>~![]+/.exec(spec)?.[0] ?? spec
  return log
    .split('\n')
    .some((line) => /not? |unable|404|could/i.test(line) && line.toLowerCase().includes(name.toLowerCase()))
}
